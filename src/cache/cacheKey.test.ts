import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RunMount } from '../plan/step.ts';
import {
  baseKey,
  copyKey,
  hashKey,
  runKey,
  workdirKey,
  type CacheKey,
  type CopyStep,
  type KeyField,
  type RunStep,
} from './cacheKey.ts';

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
    baseKey(undefined, { platform, latestTime: undefined, ignoredPaths: ['/a'] }),
    baseKey(undefined, { platform: { ...platform, variant: 'v9' }, latestTime: undefined }),
    baseKey(undefined, { platform: { os: 'linux', architecture: 'amd64' }, latestTime: undefined }),
  ];
  assert.equal(new Set(keys).size, keys.length);
});

const few = fc.constantFrom('', 'a', 'b', 'ab', 'A=1', 'A=2', '/x');
const words = fc.array(few, { maxLength: 3 });
const ids = { uid: fc.constantFrom(0, 1), gid: fc.constantFrom(0, 1), mode: fc.constantFrom(0o400, 0o755) };
const mount: fc.Arbitrary<RunMount> = fc.oneof(
  fc.record({
    type: fc.constant('bind' as const),
    target: few,
    source: fc.constant('/'),
    from: fc.constant({ kind: 'context' as const }),
    readOnly: fc.boolean(),
  }),
  fc.record({
    type: fc.constant('cache' as const),
    target: few,
    id: few,
    sharing: fc.constantFrom('shared' as const, 'private' as const, 'locked' as const),
    source: fc.constant('/'),
    readOnly: fc.boolean(),
    ...ids,
  }),
  fc.record(
    { type: fc.constant('tmpfs' as const), target: few, size: fc.constantFrom(1, 2) },
    { requiredKeys: ['type', 'target'] },
  ),
  fc.record(
    { type: fc.constantFrom('secret' as const, 'ssh' as const), id: few, target: few, required: fc.boolean(), ...ids },
    { requiredKeys: ['type', 'id', 'required', 'uid', 'gid', 'mode'] },
  ),
);
const COMMON = { instruction: undefined as never, display: '', createdBy: '', config: {} };
/** A step and all that its key is to depend on. */
type KeyedStep = { readonly key: (parent: CacheKey) => CacheKey; readonly inputs: unknown };
const run: fc.Arbitrary<KeyedStep> = fc
  .record({
    argv: words,
    env: words,
    user: few,
    workingDirectory: few,
    network: fc.constantFrom('default' as const, 'none' as const),
    mounts: fc.array(fc.tuple(mount, fc.option(few)), { maxLength: 2 }),
    script: fc.option(fc.record({ path: few, content: few }), { nil: undefined }),
  })
  .map(({ mounts, script, ...rest }) => {
    const step: RunStep = {
      ...COMMON,
      ...rest,
      kind: 'run',
      mounts: mounts.map(([item]) => item),
      ...(script === undefined ? {} : { script }),
    };
    const shown = mounts.map(([, print]) => print);
    return { key: (parent) => runKey(parent, step, shown), inputs: ['run', rest, mounts, script ?? null] };
  });
const copy: fc.Arbitrary<KeyedStep> = fc
  .record(
    {
      kind: fc.constantFrom('copy' as const, 'add' as const),
      destination: few,
      link: fc.boolean(),
      parents: fc.boolean(),
      exclude: words,
      chown: few,
      chmod: few,
      checksum: few,
      unpack: fc.boolean(),
    },
    { requiredKeys: ['kind', 'destination', 'link', 'parents', 'exclude'] },
  )
  .chain((options) => fc.tuple(fc.constant(options), words))
  .map(([options, source]) => {
    const step: CopyStep = { ...COMMON, ...options, sources: [], from: { kind: 'context' } };
    return { key: (parent) => copyKey(parent, step, source), inputs: ['copy', sortedObject(options), source] };
  });
const workdir: fc.Arbitrary<KeyedStep> = fc
  .tuple(few, few)
  .map(([path, user]) => ({ key: (parent) => workdirKey(parent, path, user), inputs: ['workdir', path, user] }));

test('two lists of instructions share a key only if they are the same', () => {
  const instructions = fc.array(fc.oneof(run, copy, workdir), { maxLength: 3 });
  const base = baseKey(undefined, { platform: { os: 'linux', architecture: 'arm64' }, latestTime: undefined });
  const keyOf = (list: readonly KeyedStep[]): CacheKey => list.reduce((parent, { key }) => key(parent), base);
  const seen = new Map<CacheKey, string>();
  fc.assert(
    fc.property(instructions, (list) => {
      const inputs = JSON.stringify(list.map((step) => step.inputs));
      const key = keyOf(list);
      assert.equal(keyOf(list), key);
      assert.equal(seen.get(key) ?? inputs, inputs);
      seen.set(key, inputs);
    }),
    { numRuns: 2000 },
  );
  assert.equal(new Set(seen.values()).size, seen.size, 'the same inputs give one key');
});

test('which of two mounts shows something is part of the key', () => {
  const cache = {
    type: 'cache',
    id: 'x',
    sharing: 'shared',
    source: '/',
    mode: 0,
    uid: 0,
    gid: 0,
    readOnly: false,
  } as const;
  const step: RunStep = {
    ...COMMON,
    kind: 'run',
    argv: [],
    env: [],
    user: '',
    workingDirectory: '/',
    network: 'default',
    mounts: [
      { ...cache, target: '/a' },
      { ...cache, target: '/b' },
    ],
  };
  const parent = hashKey('base', null);
  assert.notEqual(runKey(parent, step, ['print', null]), runKey(parent, step, [null, 'print']));
});

test('proxies that nobody declared do not count, the order of variables does', () => {
  assert.equal(keyWithEnv(['A=1', 'http_proxy=p'], ['http_proxy=p']), keyWithEnv(['A=1']));
  assert.notEqual(keyWithEnv(['A=1', 'http_proxy=p']), keyWithEnv(['A=1']));
  assert.notEqual(keyWithEnv(['A=1', 'B=2']), keyWithEnv(['B=2', 'A=1']));
});

function keyWithEnv(env: readonly string[], uncachedEnv: readonly string[] = []): CacheKey {
  const plain = { argv: [], user: '', workingDirectory: '/', network: 'default', mounts: [] } as const;
  return runKey(hashKey('base', null), { ...COMMON, ...plain, kind: 'run', env, uncachedEnv }, []);
}

function sortedObject(value: object): unknown {
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}

function sorted(value: KeyField): unknown {
  if (Array.isArray(value)) return value.map((item: KeyField) => sorted(item));
  if (Object.is(value, -0)) return 0;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return { map: entries.map(([name, item]) => [name, sorted(item)]) };
}
