import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromText } from '../byteString.ts';
import { ancestorsOf, baseName, cleanTreePath, compareTreePaths, parentOf } from './path.ts';

test('a cleaned path never leaves the root', () => {
  const table: readonly (readonly [string, string])[] = [
    ['', ''],
    ['/', ''],
    ['.', ''],
    ['..', ''],
    ['../../etc/passwd', 'etc/passwd'],
    ['/a//b/./c/', 'a/b/c'],
    ['a/../../b', 'b'],
    ['a/b/..', 'a'],
    ['...', '...'],
    ['a /b', 'a /b'],
  ];
  for (const [path, cleaned] of table) assert.equal(cleanTreePath(path), cleaned, path);
});

const component = fc.constantFrom('a', 'b', 'a!', 'a-b', '.', '..', '', '\xff', 'B');
const paths = fc.array(component, { maxLength: 5 }).map((components) => components.join('/'));

test('cleaning twice is cleaning once, and leaves no component that means something', () => {
  fc.assert(
    fc.property(paths, (path) => {
      const cleaned = cleanTreePath(path);
      assert.equal(cleanTreePath(cleaned), cleaned);
      assert.ok(cleaned === '' || cleaned.split('/').every((part) => !['', '.', '..'].includes(part)));
    }),
  );
});

test('paths sort with every directory before what is in it, siblings in byte order', () => {
  fc.assert(
    fc.property(paths.map(cleanTreePath), paths.map(cleanTreePath), (a, b) => {
      const [left, right] = [a.split('/'), b.split('/')];
      const index = left.findIndex((part, at) => part !== right[at]);
      const byComponents = index < 0 ? left.length - right.length : (left[index] ?? '') < (right[index] ?? '') ? -1 : 1;
      if (a !== '' && b !== '') assert.equal(Math.sign(compareTreePaths(a, b)), Math.sign(byComponents));
      assert.equal(Math.sign(compareTreePaths(b, a)) + Math.sign(compareTreePaths(a, b)), 0);
    }),
  );
});

test('a path is taken apart', () => {
  const path = fromText('a/b/c');
  assert.deepEqual(ancestorsOf(path), ['a', 'a/b']);
  assert.deepEqual([parentOf(path), baseName(path)], ['a/b', 'c']);
  assert.deepEqual([parentOf(fromText('a')), baseName(fromText('a'))], ['', 'a']);
});
