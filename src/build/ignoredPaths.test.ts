import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '../tree/change.ts';
import { newEntry } from '../tree/entry.ts';
import type { TreePath } from '../tree/tree.ts';
import { withoutIgnored } from './ignoredPaths.ts';

test('a path that is ignored is in no layer, nor is what is below it, whatever it is named like', () => {
  const paths = ['a', 'a/b', 'a/b/c', 'ab', 'foo1', 'foo1/bar', 'foo1/baz', 'x[1]'];
  const cases: readonly [patterns: readonly string[], left: readonly string[]][] = [
    [[], paths],
    [['/a/b'], ['a', 'ab', 'foo1', 'foo1/bar', 'foo1/baz', 'x[1]']],
    [
      ['/a/', '/foo*/bar'],
      ['ab', 'foo1', 'foo1/baz', 'x[1]'],
    ],
    [['/x\\[1]'], ['a', 'a/b', 'a/b/c', 'ab', 'foo1', 'foo1/bar', 'foo1/baz']],
  ];
  const changes = paths.map((path): Change => ({
    kind: 'put',
    path: path as TreePath,
    entry: newEntry('directory', {}),
  }));
  for (const [patterns, left] of cases) {
    assert.deepEqual(
      withoutIgnored(changes, patterns).map(({ path }) => path),
      left,
    );
  }
  assert.throws(() => withoutIgnored(changes, ['/[']), { code: 'FLAG_INVALID' });
});
