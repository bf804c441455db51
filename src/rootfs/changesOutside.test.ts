import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '../tree/change.ts';
import { newEntry } from '../tree/entry.ts';
import type { TreePath } from '../tree/tree.ts';
import { changesOutside } from './changesOutside.ts';
import { StayingPaths } from './stayingPaths.ts';

const at = (path: string): TreePath => path as TreePath;
const put = (path: string, type: 'file' | 'directory' | 'symlink' = 'file'): Change => ({
  kind: 'put',
  path: at(path),
  entry: newEntry(type, {}),
});
const link = (path: string, target: string): Change => ({
  kind: 'link',
  path: at(path),
  target: at(target),
  entry: newEntry('file', {}),
});
const stays = new StayingPaths([at('etc/hosts'), at('var/run/secrets'), at('lib/modules')]);

test('nothing is written where a mount is, and a file whose first name lies there is written under the next', () => {
  const cases: readonly [changes: readonly Change[], made: readonly string[]][] = [
    [
      [put('etc', 'directory'), put('etc/hosts'), put('etc/passwd')],
      ['put etc', 'put etc/passwd'],
    ],
    [[put('etc/hosts', 'directory'), put('etc/hosts/x')], []],
    [[put('var/run', 'symlink')], ['remove var/run']],
    [[put('lib')], ['remove lib']],
    [
      [{ kind: 'remove', path: at('lib') }, put('lib', 'directory')],
      ['remove lib', 'put lib'],
    ],
    [
      [put('etc/hosts'), link('etc/other', 'etc/hosts'), link('etc/third', 'etc/hosts')],
      ['put etc/other', 'link etc/third etc/other'],
    ],
    [
      [put('a'), link('b', 'a'), link('etc/hosts', 'a')],
      ['put a', 'link b a'],
    ],
  ];
  for (const [changes, made] of cases) {
    const texts = changesOutside(changes, stays).map((change) =>
      [change.kind, change.path, ...(change.kind === 'link' ? [change.target] : [])].join(' '),
    );
    assert.deepEqual(texts, made);
  }
});

test('what stays is known by exact names', () => {
  const odd = new StayingPaths([at('a [b] *'), at('x/y'), at('x/y/z'), at('')], [at('home/me')]);
  assert.deepEqual([...odd.paths], ['a [b] *', 'x/y']);
  assert.ok(odd.has(at('a [b] *')) && !odd.has(at('a b x')) && !odd.covers(at('a')));
  assert.ok(odd.covers(at('x/y/z/1')) && !odd.covers(at('x/yy')) && odd.holds(at('x')) && !odd.holds(at('x/y')));
  assert.deepEqual(odd.holders(), ['', 'x', 'home', 'home/me']);
  assert.ok(odd.with([at('home')]).covers(at('home/me')));
});
