import assert from 'node:assert/strict';
import { createReadStream, readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { file } from '../tree/sampleTrees.ts';
import { ListingStore } from './listingStore.ts';
import { SampleBlobs, temporaryDirectory } from './sampleLayers.ts';

function storeIn(t: TestContext) {
  const directory = temporaryDirectory(t);
  const blobs = new SampleBlobs(temporaryDirectory(t));
  const open = (): ListingStore => new ListingStore(directory, (layer) => createReadStream(blobs.blobPath(layer)));
  return { directory, blobs, open };
}

test('a layer is read for its listing once, by this build and those after it', async (t) => {
  const { blobs, open } = storeIn(t);
  const layer = blobs.layer(file('a', { size: 3 }), file('b'));
  const store = open();
  const [one, two] = await Promise.all([store.get(layer), store.get(layer)]);
  assert.equal(one, two);
  const later = await open().get(layer);
  assert.equal(blobs.reads, 1);
  assert.deepEqual([...later], [...one]);
});

test('a listing that was damaged on disk is made anew', async (t) => {
  const { directory, blobs, open } = storeIn(t);
  const layer = blobs.layer(file('a'));
  await open().get(layer);
  const [name = ''] = readdirSync(directory);
  truncateSync(join(directory, name), 20);
  assert.equal((await open().get(layer)).count, 1);
  assert.equal(blobs.reads, 2);
});

test('a layer with other content than its image says has no listing', async (t) => {
  const { directory, blobs, open } = storeIn(t);
  const layer = { ...blobs.layer(file('a')), diffId: blobs.layer(file('b')).diffId };
  const store = open();
  await assert.rejects(store.get(layer), { code: 'DIFF_ID_MISMATCH' });
  await assert.rejects(store.get(layer), { code: 'DIFF_ID_MISMATCH' });
  assert.deepEqual(readdirSync(directory), []);
});
