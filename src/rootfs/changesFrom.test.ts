import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fromText, type ByteString } from '../byteString.ts';
import { hasErrno } from '../errors.ts';
import { makeFifo } from '../linux/mknod.ts';
import { setXattr } from '../linux/xattr.ts';
import { newEntry, type Entry } from '../tree/entry.ts';
import { LayerTree } from '../tree/layerTree.ts';
import type { Tree } from '../tree/tree.ts';
import { WorkingTree } from '../tree/workingTree.ts';
import { changesFrom } from './changesFrom.ts';
import { upperCandidates } from './upperCandidates.ts';

const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;
const TIME = { seconds: 1_000_000_000, nanoseconds: 0 };
const text = (value: string): ByteString => fromText(value);

function makeUpper(t: TestContext): string {
  const upper = mkdtempSync(join(tmpdir(), 'kasane-upper-'));
  t.after(() => rmSync(upper, { recursive: true }));
  return upper;
}

function file(content: string, attributes: Partial<Entry> = {}): Entry {
  return newEntry('file', { mode: 0o644, uid, gid, size: content.length, mtime: TIME, ...attributes });
}

function directory(attributes: Partial<Entry> = {}): Entry {
  return newEntry('directory', { mode: 0o755, uid, gid, mtime: TIME, ...attributes });
}

/** `{ 'a/b': entry }`, parents first. */
function makeTree(entries: Record<string, Entry>): Tree {
  const tree = new WorkingTree(LayerTree.empty());
  for (const [path, entry] of Object.entries(entries)) {
    const names = path.split('/').map(text);
    const last = names.pop() ?? text('');
    let parent = tree.root;
    for (const name of names) parent = tree.child(parent, name) ?? assert.fail(path);
    tree.put(parent, last, entry, { kind: 'bytes', bytes: new Uint8Array() });
  }
  return tree;
}

function write(upper: string, name: string, content: string, mtime = TIME.seconds): void {
  const path = join(upper, name);
  writeFileSync(path, content);
  chmodSync(path, 0o644);
  utimesSync(path, mtime, mtime);
}

function make(upper: string, name: string): void {
  mkdirSync(join(upper, name));
  chmodSync(join(upper, name), 0o755);
}

/** Changes as `kind path`, and the paths whose content was asked for. */
async function diff(upper: string, below: Tree, same = true): Promise<{ changes: string[]; asked: string[] }> {
  const asked: string[] = [];
  const changes = await changesFrom(upperCandidates(text(upper), below, 'user.overlay.'), below, (pairs) => {
    asked.push(...pairs.map(({ path }) => path));
    return Promise.resolve(pairs.map(() => same));
  });
  return {
    changes: changes.map((one) => `${one.kind} ${one.path}${one.kind === 'link' ? ` -> ${one.target}` : ''}`),
    asked,
  };
}

/** False, with a reason, where this disk has no user attributes. */
function mark(t: TestContext, path: string, name: string, value: string): boolean {
  try {
    setXattr(path, text(name), text(value));
    return true;
  } catch (error) {
    if (!hasErrno(error, 'ENOTSUP', 'EOPNOTSUPP', 'EPERM')) throw error;
    t.skip('the temporary directory has no user.* attributes');
    return false;
  }
}

test('a copy of what was below is no change, and its content is compared', async (t) => {
  const upper = makeUpper(t);
  write(upper, 'a', 'same');
  const below = makeTree({ a: file('same') });
  assert.deepEqual(await diff(upper, below), { changes: [], asked: ['a'] });
  assert.deepEqual(await diff(upper, below, false), { changes: ['put a'], asked: ['a'] });
});

for (const [what, attributes, changed] of [
  ['mode', { mode: 0o600 }, true],
  ['owner', { uid: uid + 1 }, true],
  ['group', { gid: gid + 1 }, true],
  ['size', { size: 3 }, true],
  ['time', { mtime: { seconds: TIME.seconds - 1, nanoseconds: 0 } }, true],
  ['nanoseconds that one side has not', { mtime: { seconds: TIME.seconds, nanoseconds: 5 } }, false],
  ['xattr', { xattrs: new Map([[text('user.a'), text('b')]]) }, true],
] as const satisfies readonly (readonly [string, Partial<Entry>, boolean])[]) {
  test(`a file of another ${what} is ${changed ? 'a' : 'no'} change`, async (t) => {
    const upper = makeUpper(t);
    write(upper, 'a', 'same');
    const { changes, asked } = await diff(upper, makeTree({ a: file('same', attributes) }));
    assert.deepEqual(changes, changed ? ['put a'] : []);
    assert.deepEqual(asked, changed ? [] : ['a'], 'content is read only where all else is equal');
  });
}

test("a directory's time alone is no change, its mode is", async (t) => {
  const upper = makeUpper(t);
  make(upper, 'touched');
  make(upper, 'opened');
  chmodSync(join(upper, 'opened'), 0o777);
  const below = makeTree({ touched: directory(), opened: directory() });
  assert.deepEqual((await diff(upper, below)).changes, ['put opened']);
});

test('the directories above a change come along, once, in the order of a layer', async (t) => {
  const upper = makeUpper(t);
  for (const name of ['b', 'b/c', 'b.d']) make(upper, name);
  for (const name of ['b/c/x', 'b/c/y', 'b.d/z']) write(upper, name, '1');
  const below = makeTree({ b: directory(), 'b/c': directory(), 'b.d': directory() });
  assert.deepEqual((await diff(upper, below)).changes, [
    'put b',
    'put b/c',
    'put b/c/x',
    'put b/c/y',
    'put b.d',
    'put b.d/z',
  ]);
});

test('a socket is left out, and hides what it replaced', async (t) => {
  const upper = makeUpper(t);
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(join(upper, 'socket'), resolve));
  t.after(() => server.close());
  assert.deepEqual((await diff(upper, makeTree({}))).changes, []);
  assert.deepEqual((await diff(upper, makeTree({ socket: file('x') }))).changes, ['remove socket']);
});

test('links and pipes are changes as what they are', async (t) => {
  const upper = makeUpper(t);
  symlinkSync('target', join(upper, 'link'));
  symlinkSync('other', join(upper, 'turned'));
  makeFifo(join(upper, 'pipe'), 0o644);
  const below = makeTree({ turned: newEntry('symlink', { mode: 0o777, uid, gid, linkTarget: text('target') }) });
  assert.deepEqual((await diff(upper, below)).changes, ['put link', 'put pipe', 'put turned']);
});

test('whiteouts delete what is below, and nothing else', async (t) => {
  const upper = makeUpper(t);
  for (const name of ['gone', 'never']) {
    write(upper, name, '');
    if (!mark(t, join(upper, name), 'user.overlay.whiteout', 'y')) return;
  }
  assert.deepEqual((await diff(upper, makeTree({ gone: directory() }))).changes, ['remove gone']);
});

test('an opaque directory deletes, by name, what it hides at any depth', async (t) => {
  const upper = makeUpper(t);
  for (const name of ['d', 'd/e']) make(upper, name);
  write(upper, 'd/e/kept', 'same');
  if (!mark(t, join(upper, 'd'), 'user.overlay.opaque', 'y')) return;
  const below = makeTree({
    d: directory(),
    'd/e': directory(),
    'd/e/hidden': file('x'),
    'd/e/kept': file('same'),
    'd/tree': directory(),
    'd/tree/leaf': file('x'),
  });
  assert.deepEqual((await diff(upper, below)).changes, ['put d', 'put d/e', 'remove d/e/hidden', 'remove d/tree']);
});

test('what overlayfs keeps for itself is in no layer, what users set is', async (t) => {
  const upper = makeUpper(t);
  write(upper, 'a', 'x');
  if (!mark(t, join(upper, 'a'), 'user.overlay.origin', 'z')) return;
  mark(t, join(upper, 'a'), 'user.kept', 'value');
  const changes = await changesFrom(upperCandidates(text(upper), makeTree({})), makeTree({}), () =>
    Promise.resolve([]),
  );
  const [change] = changes;
  assert.ok(change?.kind === 'put');
  assert.deepEqual([...change.entry.xattrs], [['user.kept', 'value']]);
  assert.deepEqual(change.content, { kind: 'disk', path: join(upper, 'a') });
});

test('names of one file that the kernel split are one file again if they still are alike', async (t) => {
  const upper = makeUpper(t);
  for (const name of ['a', 'b', 'c']) {
    write(upper, name, name === 'c' ? 'else' : 'same');
    chmodSync(join(upper, name), 0o600);
  }
  const before = makeTree({ a: file('same'), b: file('same'), c: file('same') });
  const below: Tree = {
    root: before.root,
    child: (node, name) => before.child(node, name),
    names: (node) => before.names(node),
    entry: (node) => before.entry(node),
    content: (node) => before.content(node),
    inode: () => 1,
  };
  assert.deepEqual((await diff(upper, below)).changes, ['put a', 'link b -> a', 'put c']);
  assert.equal(lstatSync(join(upper, 'a')).nlink, 1);
});
