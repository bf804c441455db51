import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromText } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import { parseIdMap } from '../linux/idMap.ts';
import { newEntry } from '../tree/entry.ts';
import { directory, file, symlink, treeOf } from '../tree/sampleTrees.ts';
import type { Candidate } from './candidate.ts';
import { ownersFromTree } from './ownersFromTree.ts';

const SINGLE = parseIdMap('0 1000 1');
const RANGE = parseIdMap('0 1000 1\n1 100000 65536');
const EVERY = parseIdMap('0 0 4294967295');

const BELOW = treeOf([
  directory('d', { uid: 33, gid: 44 }),
  file('d/f', { uid: 33 }),
  file('far', { uid: 70_000, gid: 5 }),
  symlink('l', 'd'),
]);

function owner(path: string, uid: number, gid: number, map = SINGLE): string {
  const candidate: Candidate = {
    kind: 'present',
    path: fromText(path),
    entry: newEntry('file', { uid, gid }),
    disk: path,
    inode: path,
  };
  const [found] = ownersFromTree([candidate], BELOW, { uids: map, gids: map });
  return found?.kind === 'present' ? `${found.entry.uid}:${found.entry.gid}` : 'gone';
}

test('where root stands in for owners that have no id, the tree knows them', () => {
  assert.equal(owner('d', 0, 0), '33:44');
  assert.equal(owner('d/f', 0, 0), '33:0');
  assert.equal(owner('far', 0, 0), '70000:5');
  assert.equal(owner('far', 0, 0, RANGE), '70000:0', 'a group that has an id was changed');
});

test("what a command made is root's, and so is what it made of another's", () => {
  assert.equal(owner('new', 0, 0), '0:0');
  assert.equal(owner('l/f', 0, 0), '0:0', 'links of the tree are not followed');
  assert.equal(owner('d', 0, 0, RANGE), '0:0');
  assert.equal(owner('d', 33, 7, RANGE), '33:7');
});

test('an owner that nobody can tell is in no layer', () => {
  assert.throws(
    () => owner('new', 65_534, 0),
    (error) => error instanceof BuildError && error.code === 'OWNER_NOT_MAPPED',
  );
  assert.equal(owner('new', 65_534, 65_534, RANGE), '65534:65534');
  assert.equal(owner('new', 65_534, 65_534, EVERY), '65534:65534');
});
