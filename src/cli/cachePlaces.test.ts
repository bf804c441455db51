import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BuildError } from '../errors.ts';
import { cachePlaces } from './cachePlaces.ts';

function from(value: string): readonly string[] {
  return cachePlaces('cache-from', [value], '/work');
}

test('caches are named as for buildx, or as for --cache-repo', () => {
  assert.deepEqual(from('host/app/cache'), ['host/app/cache']);
  assert.deepEqual(from('type=registry,ref=host/app/cache:main'), ['host/app/cache:main']);
  assert.deepEqual(from('type=local,src=dir'), ['oci:/work/dir']);
  assert.deepEqual(from('oci:/dir'), ['oci:/dir']);
  assert.deepEqual(cachePlaces('cache-to', ['type=local,dest=/dir,mode=max', 'type=registry,ref=h/c,mode=min'], '/'), [
    'oci:/dir',
    'h/c',
  ]);
});

test('what can not be done is an error that says what can', () => {
  const cases: readonly (readonly [value: string, code: string])[] = [
    ['type=inline', 'FLAG_UNSUPPORTED'],
    ['type=gha', 'FLAG_UNSUPPORTED'],
    ['type=s3,bucket=b', 'FLAG_UNSUPPORTED'],
    ['type=registry', 'FLAG_INVALID'],
    ['type=local,src=/d', 'FLAG_INVALID'],
    ['type=registry,ref=h/c,frob=1', 'FLAG_INVALID'],
    ['type=registry,ref', 'FLAG_INVALID'],
    ['', 'FLAG_INVALID'],
  ];
  for (const [value, code] of cases) {
    assert.throws(
      () => cachePlaces('cache-to', [value], '/'),
      (error) => error instanceof BuildError && error.code === code && error.hint !== undefined,
      value,
    );
  }
});
