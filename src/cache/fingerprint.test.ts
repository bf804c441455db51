import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromText, type ByteString } from '../byteString.ts';
import type { FileType } from '../tar/header.ts';
import { newEntry, type Entry } from '../tree/entry.ts';
import { LayerTree } from '../tree/layerTree.ts';
import { resolvePath } from '../tree/resolve.ts';
import type { NodeId, TreePath } from '../tree/tree.ts';
import { WorkingTree } from '../tree/workingTree.ts';
import { fingerprint, type FileAttributes, type FingerprintItem, type FingerprintOptions } from './fingerprint.ts';

/** A file of a made-up tree; `linkTo` makes it a second name of an earlier one. */
interface Sample {
  readonly type: FileType;
  readonly text?: string;
  readonly target?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly seconds?: number;
  readonly capability?: string;
  readonly linkTo?: string;
  readonly inside?: SampleTree;
}

interface SampleTree {
  readonly [name: string]: Sample;
}

test('two trees have one fingerprint only if they are the same but for times', async () => {
  const name = fc.constantFrom('a', 'b', 'ab', 'a.', 'é');
  const { tree } = fc.letrec<{ tree: SampleTree; sample: Sample }>((tie) => ({
    tree: fc.dictionary(name, tie('sample'), { maxKeys: 3, noNullPrototype: true, depthIdentifier: 'tree' }),
    sample: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'tree' },
      fc.record(
        {
          type: fc.constant('file' as const),
          text: fc.constantFrom('', 'x', 'y', 'xy'),
          mode: fc.constantFrom(0o644, 0o755),
          uid: fc.constantFrom(0, 1),
          gid: fc.constantFrom(0, 1),
          seconds: fc.integer({ min: 0, max: 9 }),
          capability: fc.constantFrom('1', '2'),
        },
        { requiredKeys: ['type'] },
      ),
      fc.record({ type: fc.constant('symlink' as const), target: fc.constantFrom('x', 'y') }),
      fc.record({ type: fc.constant('fifo' as const) }),
      fc.record({
        type: fc.constant('directory' as const),
        mode: fc.constantFrom(0o755, 0o700),
        inside: tie('tree'),
      }),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(tree, tree, async (a, b) => {
      const same = JSON.stringify(plain(a)) === JSON.stringify(plain(b));
      assert.equal((await digestOf(a)) === (await digestOf(b)), same);
    }),
    { numRuns: 400 },
  );
});

test('a rename, a change of type, of mode, of owner, of target and of one byte all show', async () => {
  const file: Sample = { type: 'file', text: 'content' };
  const variants: SampleTree[] = [
    { name: file },
    { renamed: file },
    { name: { ...file, text: 'Content' } },
    { name: { ...file, mode: 0o600 } },
    { name: { ...file, uid: 1 } },
    { name: { ...file, gid: 1 } },
    { name: { ...file, capability: 'x' } },
    { name: { type: 'symlink', target: 'content' } },
    { name: { type: 'symlink', target: 'contenu' } },
    { name: { type: 'directory' } },
    { name: { type: 'fifo' } },
    { name: { type: 'directory', inside: { name: file } } },
    { name: file, other: file },
    { name: file, other: { type: 'file', linkTo: 'name' } },
    {},
  ];
  const digests = await Promise.all(variants.map((variant) => digestOf(variant)));
  assert.equal(new Set(digests).size, variants.length);
});

test('times do not count', async () => {
  const [early, late] = [1, 2].map((seconds) =>
    digestOf({ d: { type: 'directory', seconds, inside: { f: { type: 'file', text: 'x', seconds } } } }),
  );
  assert.equal(await early, await late);
});

test('what a copy sets anew does not count', async () => {
  const [mine, theirs] = [
    { mode: 0o600, uid: 5 },
    { mode: 0o644, uid: 0 },
  ].map((owned) => digestOf({ f: { type: 'file', text: 'x', ...owned } }, ['f'], { attributes: fixed }));
  assert.equal(await mine, await theirs);
});

test('a file beside a directory is not a file in it', async () => {
  const tree: SampleTree = { d: { type: 'directory' }, f: { type: 'file', text: 'x' } };
  const inside: SampleTree = { d: { type: 'directory', inside: { f: { type: 'file', text: 'x' } } } };
  assert.notEqual(await digestOf(tree, ['d', 'f'], {}, ['', 'f']), await digestOf(inside, ['d'], {}, ['']));
});

test('what is left out does not count, the directories above count when they are copied too', async () => {
  assert.equal(await nested('1', 0o755, { excludes: isX }), await nested('2', 0o755, { excludes: isX }));
  assert.notEqual(await nested('1', 0o755), await nested('2', 0o755));
  assert.equal(await nested('1', 0o755), await nested('1', 0o700));
  assert.notEqual(await nested('1', 0o755, {}, true), await nested('1', 0o700, {}, true));
});

function isX(path: TreePath): boolean {
  return path === fromText('x');
}

function fixed(): FileAttributes {
  return { mode: 0o755, uid: 0, gid: 0 };
}

function nested(
  text: string,
  mode: number,
  options: Partial<FingerprintOptions> = {},
  withAncestors = false,
): Promise<string> {
  const e: Sample = { type: 'directory', inside: { x: { type: 'file', text } } };
  return digestOf({ d: { type: 'directory', mode, inside: { e } } }, ['d/e'], options, ['e'], withAncestors);
}

test('files are told by where they were found', async () => {
  const tree = build({ d: { type: 'directory', inside: { x: { type: 'file', text: '1' } } } });
  const { files } = await fingerprint(tree, [itemAt(tree, 'd', '', false)], { readBlob });
  assert.deepEqual(
    files.map(({ path }) => path),
    ['d', 'd/x'],
  );
});

async function digestOf(
  sample: SampleTree,
  paths: readonly string[] = Object.keys(sample).sort(),
  options: Partial<FingerprintOptions> = {},
  names: readonly string[] = paths,
  withAncestors = false,
): Promise<string> {
  const tree = build(sample);
  const items = paths.map((path, index) => itemAt(tree, path, names[index] ?? '', withAncestors));
  return (await fingerprint(tree, items, { readBlob, ...options })).digest;
}

function itemAt(tree: WorkingTree, path: string, name: string, withAncestors: boolean): FingerprintItem {
  const { node } = resolvePath(tree, fromText(path), { followLast: false });
  assert.ok(node !== undefined);
  return { node, name: fromText(name), path: fromText(path), withAncestors };
}

function readBlob(): never {
  throw new Error('no layer is to be read');
}

function build(sample: SampleTree): WorkingTree {
  const tree = new WorkingTree(LayerTree.empty());
  const inodes = new Map<NodeId, NodeId>();
  fill(tree, tree.root, sample, inodes);
  // A tree that is being written does not tell which names are one file.
  tree.inode = (node) => inodes.get(node) ?? node;
  return tree;
}

function fill(tree: WorkingTree, parent: NodeId, sample: SampleTree, inodes: Map<NodeId, NodeId>): void {
  for (const [name, file] of Object.entries(sample)) {
    const first = file.linkTo === undefined ? undefined : tree.child(parent, fromText(file.linkTo));
    if (first !== undefined) {
      inodes.set(tree.put(parent, fromText(name), tree.entry(first), tree.content(first)), first);
      continue;
    }
    const bytes = Buffer.from(file.text ?? '');
    const content = file.type === 'file' ? ({ kind: 'bytes', bytes } as const) : undefined;
    const node = tree.put(parent, fromText(name), entryOf(file, bytes.length), content);
    if (file.inside !== undefined) fill(tree, node, file.inside, inodes);
  }
}

function entryOf({ type, mode, uid, gid, seconds, target, capability }: Sample, size: number): Entry {
  return newEntry(type, {
    size,
    mode: mode ?? 0o644,
    uid: uid ?? 0,
    gid: gid ?? 0,
    mtime: { seconds: seconds ?? 0, nanoseconds: 0 },
    linkTarget: fromText(target ?? ''),
    xattrs: new Map(capability === undefined ? [] : [['security.capability' as ByteString, capability as ByteString]]),
  });
}

/** All that is to count, in one form. */
function plain(sample: SampleTree): unknown {
  return Object.entries(sample)
    .sort(([a], [b]) => (fromText(a) < fromText(b) ? -1 : 1))
    .map(([name, { type, text, mode, uid, gid, target, capability, inside }]) => [
      name,
      type,
      text ?? '',
      mode ?? 0o644,
      uid ?? 0,
      gid ?? 0,
      target ?? '',
      capability ?? null,
      plain(inside ?? {}),
    ]);
}
