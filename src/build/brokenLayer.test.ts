import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BuildError } from '../errors.ts';
import { sha256Digest } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';
import { brokenLayer } from './brokenLayer.ts';

const layer: Layer = {
  descriptor: { mediaType: 'x', digest: sha256Digest('a'.repeat(64)), size: 1 },
  diffId: sha256Digest('b'.repeat(64)),
  locations: [],
};
const found = new Map([[layer.descriptor.digest, { layer, cache: 'host/cache' }]]);

test('an error about what a layer of a cache holds is the cache’s fault, a push that is refused is not', () => {
  const cases: readonly (readonly [message: string, isBroken: boolean])[] = [
    [`layer ${layer.descriptor.digest} holds other content than its image says`, true],
    [`layer ${layer.diffId} lacks files that its listing has`, true],
    [`Can't pull the blob ${layer.descriptor.digest} of host/cache: the registry does not have it`, true],
    [`Can't upload the blob ${layer.descriptor.digest} to host/app: the repository does not permit it`, false],
    [`layer sha256:${'c'.repeat(64)} holds other content than its image says`, false],
    ['a command failed', false],
  ];
  for (const [message, isBroken] of cases) {
    assert.equal(brokenLayer(new BuildError('X', message), found)?.cache, isBroken ? 'host/cache' : undefined, message);
  }
  const cause = new Error(`layer ${layer.diffId} lacks files`);
  assert.ok(brokenLayer(new BuildError('X', 'the build failed', { cause }), found));
  assert.equal(brokenLayer('no error', found), undefined);
});
