import assert from 'node:assert/strict';
import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { fromText } from '../byteString.ts';
import type { Layer } from '../image/image.ts';
import { ListingStore } from '../layer/listingStore.ts';
import { SampleBlobs, temporaryDirectory, type SampleEntry } from '../layer/sampleLayers.ts';
import type { TarHeader } from '../tar/header.ts';
import type { Change } from '../tree/change.ts';
import { LayerTree } from '../tree/layerTree.ts';
import { resolvePath } from '../tree/resolve.ts';
import { directory, file, symlink } from '../tree/sampleTrees.ts';
import { accountReader, readAccounts } from './instructions/readAccounts.ts';
import { localContents, readSmallFiles } from './localContents.ts';

async function benchOf(t: TestContext, ...layers: readonly (readonly (TarHeader | SampleEntry)[])[]) {
  const blobs = new SampleBlobs(temporaryDirectory(t));
  const readBlob = (layer: Layer): AsyncIterable<Uint8Array> => createReadStream(blobs.blobPath(layer));
  const listings = new ListingStore(temporaryDirectory(t), readBlob);
  const tree = LayerTree.empty();
  for (const entries of layers) {
    const layer = blobs.layer(...entries);
    tree.applyLayer(layer, await listings.get(layer));
  }
  const putOf = (path: string): Change => {
    const node = resolvePath(tree, path).node ?? assert.fail(path);
    return { kind: 'put', path: fromText(path), entry: tree.entry(node), content: tree.content(node) };
  };
  return { blobs, readBlob, tree, putOf, scratch: temporaryDirectory(t) };
}

function text(path: string, content: string): SampleEntry {
  return { header: file(path, { size: content.length }), content: Buffer.from(content) };
}

test('what changes take out of layers is on this disk until it is let go, each layer read once', async (t) => {
  const { blobs, readBlob, putOf, scratch } = await benchOf(
    t,
    [text('a', 'A'), text('b', 'BB'), file('empty')],
    [text('c', 'CCC')],
  );
  const before = blobs.reads;
  const remove: Change = { kind: 'remove', path: fromText('x') };
  const local = await localContents(
    [putOf('a'), putOf('b'), putOf('a'), putOf('c'), putOf('empty'), remove],
    scratch,
    readBlob,
  );
  assert.equal(blobs.reads - before, 2);
  const paths = local.changes.flatMap((change) =>
    change.kind === 'put' && change.content?.kind === 'disk' ? [change.content.path] : [],
  );
  assert.deepEqual(
    paths.map((path) => readFileSync(path, 'utf8')),
    ['A', 'BB', 'A', 'CCC'],
  );
  assert.equal(local.changes.at(-1), remove);
  local[Symbol.dispose]();
  assert.ok(paths.every((path) => !existsSync(path)));
  assert.deepEqual(readdirSync(scratch), []);
});

test('a layer that cannot be read is an error that leaves nothing behind', async (t) => {
  const { putOf, scratch } = await benchOf(t, [text('a', 'A')]);
  const lost = new Error('the connection was lost');
  await assert.rejects(
    localContents([putOf('a')], scratch, async function* () {
      yield new Uint8Array(1);
      throw lost;
    }),
    lost,
  );
  assert.deepEqual(readdirSync(scratch), []);
});

test("the image's accounts are read in one pass, through its links, and never from this machine", async (t) => {
  const { blobs, readBlob, tree, scratch } = await benchOf(t, [
    text('usr/etc/passwd', 'root:x:0:0::/root:'),
    text('usr/etc/group', 'root:x:0:'),
    symlink('etc', '../../usr/etc'),
  ]);
  const before = blobs.reads;
  assert.deepEqual(await readAccounts(tree, scratch, readBlob), { passwd: 'root:x:0:0::/root:', group: 'root:x:0:' });
  assert.equal(blobs.reads - before, 1);
  assert.deepEqual(readdirSync(scratch), []);
});

test('the steps of a stage read the accounts again only after one of them has changed them', async (t) => {
  const { blobs, readBlob, tree, scratch } = await benchOf(t, [text('etc/passwd', 'old'), text('etc/group', 'g')]);
  const listings = new ListingStore(temporaryDirectory(t), readBlob);
  const accounts = accountReader(readBlob);
  const add = async (...entries: SampleEntry[]): Promise<void> => {
    const layer = blobs.layer(...entries);
    tree.applyLayer(layer, await listings.get(layer));
  };
  assert.deepEqual(await accounts(tree, scratch), { passwd: 'old', group: 'g' });
  await add(text('etc/other', 'x'));
  const before = blobs.reads;
  assert.deepEqual(await accounts(tree, scratch), { passwd: 'old', group: 'g' });
  assert.equal(blobs.reads, before);
  await add(text('etc/passwd', 'new'));
  assert.deepEqual(await accounts(tree, scratch), { passwd: 'new', group: 'g' });
  await add(text('etc/.wh.group', ''));
  assert.deepEqual(await accounts(tree, scratch), { passwd: 'new', group: '' });
});

test('accounts that are missing, no files, or too large to be true are none', async (t) => {
  const { readBlob, tree, scratch } = await benchOf(t, [
    symlink('etc/passwd', '/proc/self/environ'),
    directory('etc/group'),
    file('large', { size: 5 << 20 }),
    file('empty'),
  ]);
  assert.deepEqual(await readAccounts(tree, scratch, readBlob), { passwd: '', group: '' });
  assert.deepEqual(await readSmallFiles(tree, ['large', 'empty', 'none'], scratch, readBlob), [
    undefined,
    '',
    undefined,
  ]);
});
