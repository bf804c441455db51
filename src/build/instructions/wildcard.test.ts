import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { directory, file, symlink, treeOf } from '../../tree/sampleTrees.ts';
import { findSources } from './copySources.ts';
import { hasWildcard, matchWildcard } from './wildcard.ts';

const tree = treeOf([
  file('a.txt'),
  file('b.txt'),
  file('.hidden.txt'),
  file('a[1].txt'),
  file('star*'),
  directory('src'),
  file('src/main.c'),
  file('src/main.h'),
  file('src/deep/main.c'),
  symlink('link', 'src'),
  symlink('alias.txt', 'b.txt'),
  symlink('gone.txt', 'nowhere'),
  file('\u00e9.txt'),
]);

const PATTERNS: readonly (readonly [pattern: string, paths: readonly string[]])[] = [
  ['*.txt', ['.hidden.txt', 'a.txt', 'a[1].txt', 'alias.txt', 'b.txt', 'gone.txt', '\u00e9.txt']],
  ['?.txt', ['a.txt', 'b.txt', '\u00e9.txt']],
  ['[ab].txt', ['a.txt', 'b.txt']],
  ['[^a].txt', ['b.txt', '\u00e9.txt']],
  ['a[[]1].txt', ['a[1].txt']],
  ['a\\[1].t*', ['a[1].txt']],
  ['star\\**', ['star*']],
  ['src/*.c', ['src/main.c']],
  ['s*/main.c', ['src/main.c']],
  ['*/main.c', ['src/main.c']],
  ['src/*/*.c', ['src/deep/main.c']],
  ['**/main.c', ['src/main.c']],
  ['link/*.c', ['src/main.c']],
  ['l*/*.c', []],
  ['none*', []],
  ['none/*', []],
  ['a.txt/*', []],
  ['[', []],
  ['[a-', []],
];

suite('a wildcard names what it names to BuildKit', () => {
  for (const [pattern, paths] of PATTERNS) {
    test(pattern, () =>
      assert.deepEqual(
        matchWildcard(tree, Buffer.from(pattern).toString('latin1')).map((path) =>
          Buffer.from(path, 'latin1').toString(),
        ),
        paths,
      ),
    );
  }
});

test('only what no backslash protects is a wildcard', () => {
  for (const path of ['*', 'a?', 'a/[b', '\\\\*']) assert.ok(hasWildcard(path), path);
  for (const path of ['', 'a', '\\*', 'a\\?b', '\\[a]', 'a]']) assert.ok(!hasWildcard(path), path);
});

test("a source that is a link has its own name and its target's content", () => {
  const [item] = findSources(tree, 'alias.txt');
  assert.deepEqual([item?.name, item?.path, tree.entry(item?.node ?? -1).type], ['alias.txt', 'alias.txt', 'file']);
});

test('a source never leaves the root of the context', () => {
  for (const path of ['../../a.txt', '/a.txt', './x/../a.txt', 'link/../../../a.txt']) {
    assert.equal(findSources(tree, path)[0]?.path, 'a.txt', path);
  }
});

test('a source that is not there is an error that names it as BuildKit does', () => {
  for (const path of ['nowhere', './nowhere', 'src/nowhere', 'gone.txt', 'a.txt/x']) {
    const name = path.replace('./', '');
    assert.throws(() => findSources(tree, path), { code: 'COPY_SOURCE_MISSING', message: `"/${name}": not found` });
  }
});
