import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIdMap } from '../linux/idMap.ts';
import { layersDirectory } from './layersDirectory.ts';

const initial = { uids: parseIdMap('0 0 4294967295'), gids: parseIdMap('0 0 4294967295') };
const range = { uids: parseIdMap('0 1000 1\n1 100000 65536'), gids: parseIdMap('0 1000 1\n1 100000 65536') };
const single = { uids: parseIdMap('0 1000 1'), gids: parseIdMap('0 1000 1') };

test('layers that were unpacked under another map of ids are never used', () => {
  assert.equal(layersDirectory('/data', 'trusted', initial), '/data/layers');
  const directories = [
    layersDirectory('/data', 'trusted', initial),
    layersDirectory('/data', 'user', initial),
    layersDirectory('/data', 'user', range),
    layersDirectory('/data', 'user', single),
    layersDirectory('/data', 'user', { ...range, gids: single.gids }),
  ];
  assert.equal(new Set(directories).size, directories.length);
  assert.equal(layersDirectory('/data', 'user', range), directories[2]);
});
