import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Layer } from '../image/image.ts';
import { file } from '../tree/sampleTrees.ts';
import { SampleBlobs, temporaryDirectory } from './sampleLayers.ts';
import { UnpackPool } from './unpackPool.ts';

/** As large as it must be to go to a worker. */
function large(layer: Layer): Layer {
  return { ...layer, descriptor: { ...layer.descriptor, size: 64 << 20 } };
}

test('one worker unpacks all layers that wait for it, and survives those that are damaged', async (t) => {
  await using pool = new UnpackPool(1);
  const blobs = new SampleBlobs(temporaryDirectory(t));
  const good = large(blobs.layer(file('a')));
  const bad = { ...large(blobs.layer(file('b'))), diffId: good.diffId };
  const root = temporaryDirectory(t);
  const unpack = (layer: Layer, name: string): Promise<unknown> => {
    mkdirSync(join(root, name));
    return pool.unpack({ blobPath: blobs.blobPath(layer), layer, directory: join(root, name), xattrs: 'user' });
  };
  const results = await Promise.allSettled([unpack(good, '1'), unpack(bad, '2'), unpack(good, '3')]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(readdirSync(join(root, '3')), ['a']);
  const [, failed] = results;
  assert.ok(failed?.status === 'rejected');
  assert.match(String(failed.reason), /BuildError.*holds other content than its image says/);
});
