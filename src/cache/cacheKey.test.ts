import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { baseKey, hashKey, type KeyField } from './cacheKey.ts';

const field: fc.Arbitrary<KeyField> = fc.letrec<{ field: KeyField }>((tie) => ({
  field: fc.oneof(
    { maxDepth: 4 },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('field'), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie('field'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).field;

test('two different inputs never share a key, the same input always does', () => {
  fc.assert(
    fc.property(field, field, (a, b) => {
      assert.equal(hashKey('x', a), hashKey('x', structuredClone(a)));
      assert.equal(hashKey('x', a) === hashKey('x', b), JSON.stringify(sorted(a)) === JSON.stringify(sorted(b)));
      assert.notEqual(hashKey('x', a), hashKey('y', a));
    }),
    { numRuns: 500 },
  );
});

test('where one field ends and the next begins is part of the key', () => {
  const pairs: [KeyField, KeyField][] = [
    [
      ['ab', 'c'],
      ['a', 'bc'],
    ],
    [['a', ['b']], [['a', 'b']]],
    ['1', 1],
    [null, ''],
    [[], {}],
    [
      { a: '1', b: '' },
      { a: '', b: '1' },
    ],
    [false, null],
  ];
  for (const [a, b] of pairs) assert.notEqual(hashKey('x', a), hashKey('x', b), JSON.stringify([a, b]));
});

test('a base’s key depends on manifest, platform and fixed times', () => {
  const platform = { os: 'linux', architecture: 'arm64' };
  const keys = [
    baseKey(undefined, { platform, latestTime: undefined }),
    baseKey(undefined, { platform, latestTime: 0 }),
    baseKey(undefined, { platform: { ...platform, variant: 'v9' }, latestTime: undefined }),
    baseKey(undefined, { platform: { os: 'linux', architecture: 'amd64' }, latestTime: undefined }),
  ];
  assert.equal(new Set(keys).size, keys.length);
});

function sorted(value: KeyField): unknown {
  if (Array.isArray(value)) return value.map((item: KeyField) => sorted(item));
  if (Object.is(value, -0)) return 0;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return { map: entries.map(([name, item]) => [name, sorted(item)]) };
}
