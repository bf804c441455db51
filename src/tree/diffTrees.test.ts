import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { TarHeader } from '../tar/header.ts';
import { diffTrees } from './diffTrees.ts';
import type { LayerTree } from './layerTree.ts';
import { compareTreePaths } from './path.ts';
import { applyTo, directory, file, hardlink, layerNamed, listingOf, symlink, textOf, treeOf } from './sampleTrees.ts';
import type { NodeId, Tree } from './tree.ts';

function assertLaw(below: LayerTree, above: LayerTree): void {
  const changes = diffTrees(below, above);
  const result = below.clone();
  applyTo(result, changes);
  assert.deepEqual(textOf(result), textOf(above));
  assert.deepEqual(times(result), times(above));
  for (const [index, { path: at }] of changes.entries()) {
    assert.ok(index === 0 || compareTreePaths(changes[index - 1]?.path ?? '', at) < 0, 'sorted, once each');
  }
}

function times(tree: Tree): number[] {
  const walk = (node: NodeId): number[] => [
    tree.entry(node).mtime.seconds,
    ...tree.names(node).flatMap((name) => walk(tree.child(node, name) ?? -1)),
  ];
  return tree.names(tree.root).flatMap((name) => walk(tree.child(tree.root, name) ?? -1));
}

const names = fc.constantFrom('a', 'b', 'a!', 'c');
const path = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const attributes = fc.record(
  {
    mode: fc.constantFrom(0o644, 0o755),
    uid: fc.constantFrom(0, 7),
    mtime: fc.constantFrom(0, 100).map((seconds) => ({ seconds, nanoseconds: 0 })),
  },
  { noNullPrototype: true },
);
const header = fc.oneof(
  fc.tuple(path, attributes, fc.nat(2)).map(([at, given, size]) => file(at, { ...given, size })),
  fc.tuple(path, attributes).map(([at, given]) => directory(at, given)),
  fc.tuple(path, fc.constantFrom('x', 'y')).map(([at, target]) => symlink(at, target)),
  path.map((at) => file(at.replace(/[^/]*$/, '.wh.$&'))),
);
const layer = fc.array(header, { maxLength: 8 });

/** Some pairs of a layer's own files as hard links; links to files of lower layers are not what kasane writes. */
function withLinks(headers: readonly TarHeader[]): TarHeader[] {
  const files = headers.filter(({ type, path: at }) => type === 'file' && !at.includes('.wh.'));
  const [first] = files;
  return first === undefined ? [...headers] : [...headers, first, hardlink(`zz-${files.length}`, first.path)];
}

suite('apply(diff(a, b), a) = b', () => {
  test('for a tree that grew by layers', () => {
    fc.assert(
      fc.property(layer, fc.array(layer, { maxLength: 3 }), (base, added) => {
        const below = treeOf(base);
        const above = below.clone();
        for (const [index, headers] of added.entries()) {
          above.applyLayer(layerNamed(index + 1), listingOf(withLinks(headers)));
        }
        assertLaw(below, above);
      }),
      { numRuns: 500 },
    );
  });

  test('for any two trees', () => {
    fc.assert(
      fc.property(layer, layer, (a, b) => {
        const above = treeOf([]);
        above.applyLayer(layerNamed(2), listingOf(withLinks(b)));
        assertLaw(treeOf(a), above);
      }),
      { numRuns: 500 },
    );
  });
});

test('a tree differs from itself in nothing', () => {
  fc.assert(
    fc.property(layer, (headers) => {
      const tree = treeOf(headers);
      assert.deepEqual(diffTrees(tree, tree.clone()), []);
    }),
  );
});

test('a change deep down brings the directories above it and nothing beside it', () => {
  const below = treeOf([directory('a/b'), file('a/b/x', { size: 1 }), file('a/y'), directory('c')]);
  const above = below.clone();
  above.applyLayer(layerNamed(1), listingOf([file('a/b/x', { size: 2 })]));
  assert.deepEqual(
    diffTrees(below, above).map((change) => `${change.kind} ${change.path}`),
    ['put a', 'put a/b', 'put a/b/x'],
  );
});
