import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIdMap, hasId, hasSingleId, listIds, parseIdMap, readIdMaps } from './idMap.ts';

const TEXT = '         0       1000          1\n         1     100000      65536\n     70000         12          2\n';

test('a map is read as the kernel writes it, and written as it reads it', () => {
  const map = parseIdMap(TEXT);
  assert.deepEqual(map[1], { inside: 1, outside: 100000, count: 65536 });
  assert.equal(formatIdMap(map), '0 1000 1\n1 100000 65536\n70000 12 2\n');
  assert.deepEqual(parseIdMap(''), []);
});

test('ids are there or not', () => {
  const map = parseIdMap(TEXT);
  for (const id of [0, 1, 65536, 70000, 70001]) assert.ok(hasId(map, id), String(id));
  for (const id of [65537, 69999, 70002, 4294967294]) assert.ok(!hasId(map, id), String(id));
  assert.equal(listIds(map), '0-65536, 70000-70001');
  assert.equal(listIds(parseIdMap('0 1000 1\n')), '0');
});

test('one user or one group is a single id', () => {
  const [many, one] = [parseIdMap(TEXT), parseIdMap('0 1000 1')];
  assert.ok(!hasSingleId({ uids: many, gids: many }));
  assert.ok(hasSingleId({ uids: many, gids: one }));
  assert.ok(hasSingleId({ uids: one, gids: many }));
});

test("this process's own maps have its own ids", () => {
  const { uids, gids } = readIdMaps();
  assert.ok(hasId(uids, process.getuid?.() ?? 0));
  assert.ok(hasId(gids, process.getgid?.() ?? 0));
});
