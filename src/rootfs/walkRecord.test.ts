import assert from 'node:assert/strict';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { WalkRecord } from './walkRecord.ts';

const cases: readonly (readonly [what: string, act: (root: string) => void, expected: readonly string[]])[] = [
  ['nothing', () => undefined, []],
  ['an edit', (root) => writeFileSync(join(root, 'a'), 'longer than before'), ['present a']],
  [
    'an edit at once that keeps size and times',
    (root) => {
      const { atime, mtime } = statSync(join(root, 'a'));
      writeFileSync(join(root, 'a'), 'A');
      utimesSync(join(root, 'a'), atime, mtime);
    },
    ['present a'],
  ],
  ['a mode', (root) => chmodSync(join(root, 'd'), 0o700), ['present d']],
  ['a new name', (root) => linkSync(join(root, 'a'), join(root, 'd/a')), ['present a', 'present d', 'present d/a']],
  ['a file gone', (root) => rmSync(join(root, 'd/b')), ['present d', 'gone d/b']],
  ['a directory gone', (root) => rmSync(join(root, 'd'), { recursive: true }), ['gone d']],
  [
    'a directory turned into a file',
    (root) => {
      rmSync(join(root, 'd'), { recursive: true });
      writeFileSync(join(root, 'd'), '');
    },
    ['present d'],
  ],
  [
    'a link turned into a directory',
    (root) => {
      rmSync(join(root, 'link'));
      mkdirSync(join(root, 'link'));
      writeFileSync(join(root, 'link/x'), '');
    },
    ['present link', 'present link/x'],
  ],
  [
    'a file replaced by another',
    (root) => renameSync(join(root, 'd/b'), join(root, 'a')),
    ['present a', 'present d', 'gone d/b'],
  ],
];

for (const [what, act, expected] of cases) {
  test(`a walk finds ${what}, and only once`, (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'kasane-walk-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const [root, clock] = [join(directory, 'root'), join(directory, 'clock')];
    mkdirSync(join(root, 'd/e'), { recursive: true });
    for (const name of ['a', 'd/b', 'd/e/c']) writeFileSync(join(root, name), 'a');
    symlinkSync('/', join(root, 'link'));
    const record = WalkRecord.take(root, clock);
    act(root);
    assert.deepEqual(
      record.update(clock).map(({ kind, path }) => `${kind} ${path}`),
      expected,
    );
    assert.deepEqual(record.update(clock), []);
  });
}
