import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromText, type ByteString } from '../byteString.ts';
import type { Changes } from './change.ts';
import { newEntry, type Content } from './entry.ts';
import { resolvePath } from './resolve.ts';
import { directory, file, symlink, textOf, treeOf } from './sampleTrees.ts';
import { WorkingTree } from './workingTree.ts';

const BELOW = treeOf([
  directory('d', { mode: 0o700, uid: 5 }),
  file('d/a', { size: 1 }),
  directory('d/sub'),
  file('d/sub/deep', { size: 2 }),
  symlink('l', 'd'),
]);
const DIRECTORY = newEntry('directory', { mode: 0o755 });
const FILE = newEntry('file', { mode: 0o600, size: 3 });
const CONTENT: Content = { kind: 'bytes', bytes: Buffer.from('abc') };

const name = (text: string): ByteString => fromText(text);

function at(tree: WorkingTree, path: string): number {
  return resolvePath(tree, path).node ?? assert.fail(`${path} is not there`);
}

function said(changes: Changes): string[] {
  return changes.map((change) => {
    if (change.kind === 'put') return `put ${change.path} ${change.entry.type}`;
    return change.kind === 'link' ? `link ${change.path} = ${change.target}` : `${change.kind} ${change.path}`;
  });
}

test('what nobody touched is no change, and shows through', () => {
  const tree = new WorkingTree(BELOW);
  assert.deepEqual(textOf(tree), textOf(BELOW));
  assert.deepEqual(tree.changes(), []);
});

test('a file that is put comes with the directories above it, as they are', () => {
  const tree = new WorkingTree(BELOW);
  tree.put(at(tree, 'd/sub'), name('new'), FILE, CONTENT);
  const changes = tree.changes();
  assert.deepEqual(said(changes), ['put d directory', 'put d/sub directory', 'put d/sub/new file']);
  const [first] = changes;
  assert.deepEqual(first?.kind === 'put' ? [first.entry.mode, first.entry.uid] : [], [0o700, 5]);
});

test('a directory over a directory keeps what is in it', () => {
  const tree = new WorkingTree(BELOW);
  const node = tree.put(tree.root, name('d'), DIRECTORY);
  assert.deepEqual(tree.names(node), ['a', 'sub']);
  assert.deepEqual(said(tree.changes()), ['put d directory']);
  assert.equal(tree.entry(node).mode, 0o755);
});

test('a file over a directory hides all of it', () => {
  const tree = new WorkingTree(BELOW);
  tree.put(tree.root, name('d'), FILE, CONTENT);
  assert.deepEqual(textOf(tree), ['d file 600 0:0 3', 'l -> d']);
  assert.deepEqual(said(tree.changes()), ['put d file']);
});

test('a directory that takes the place of a file that took the place of a directory starts empty, in the layer too', () => {
  const tree = new WorkingTree(BELOW);
  tree.put(tree.root, name('d'), FILE, CONTENT);
  const node = tree.put(tree.root, name('d'), DIRECTORY);
  tree.put(node, name('x'), FILE, CONTENT);
  assert.deepEqual(textOf(tree), ['d directory 755 0:0', 'd/x file 600 0:0 3', 'l -> d']);
  assert.deepEqual(said(tree.changes()), ['remove d', 'put d directory', 'put d/x file']);
});

test('a touched directory is part of the layer although nothing of it changed', () => {
  const tree = new WorkingTree(BELOW);
  tree.touch(at(tree, 'l/sub'));
  assert.deepEqual(said(tree.changes()), ['put d directory', 'put d/sub directory']);
});

test('names put with the same link are hard links of the first in path order', () => {
  const tree = new WorkingTree(BELOW);
  const link = {};
  tree.put(tree.root, name('z'), FILE, CONTENT, link);
  tree.put(at(tree, 'd'), name('y'), FILE, CONTENT, link);
  tree.put(tree.root, name('other'), FILE, CONTENT, {});
  assert.deepEqual(said(tree.changes()), ['put d directory', 'put d/y file', 'put other file', 'link z = d/y']);
});

test('changes come in an order in which a layer can be written: parents first, siblings by bytes', () => {
  const tree = new WorkingTree(BELOW);
  for (const each of ['b', 'a', 'B', '\xff', 'a!']) tree.put(tree.root, each as ByteString, FILE, CONTENT);
  tree.put(tree.put(tree.root, name('c'), DIRECTORY), name('x'), FILE, CONTENT);
  assert.deepEqual(
    tree.changes().map(({ path }) => path),
    ['B', 'a', 'a!', 'b', 'c', 'c/x', '\xff'],
  );
});

test('the tree below never changes', () => {
  const before = textOf(BELOW);
  const tree = new WorkingTree(BELOW);
  tree.put(at(tree, 'd'), name('a'), FILE, CONTENT);
  tree.put(tree.root, name('d'), DIRECTORY);
  assert.deepEqual(textOf(BELOW), before);
});
