import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { digestOf } from '../image/digest.ts';
import { openBlobStore } from './blobStore.ts';
import type { BlobStore } from './blobStore.ts';

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-store-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function contentOf(store: BlobStore, digest: Parameters<BlobStore['read']>[0], start = 0): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(digest, start)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('what is written in any chunks is read back under its digest', async (t) => {
  const store = openBlobStore(temporary(t));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300_000, size: 'max' }), { maxLength: 6 }), async (chunks) => {
      const whole = Buffer.concat(chunks);
      const writer = store.create();
      for (const chunk of chunks) {
        const reused = Buffer.from(chunk);
        writer.write(reused);
        reused.fill(0);
      }
      assert.deepEqual(writer.commit(), { digest: digestOf(whole), size: whole.length });
      assert.equal(store.has(digestOf(whole)), whole.length);
      assert.deepEqual(await contentOf(store, digestOf(whole)), whole);
      assert.deepEqual(await contentOf(store, digestOf(whole), whole.length >> 1), whole.subarray(whole.length >> 1));
    }),
    { numRuns: 20 },
  );
});

test('bytes that are not what was expected never get a name', (t) => {
  const directory = temporary(t);
  const store = openBlobStore(directory);
  const wrong = [
    { digest: digestOf('other'), size: 4 },
    { digest: digestOf('text'), size: 5 },
  ];
  for (const expected of wrong) {
    const writer = store.create();
    writer.write(Buffer.from('text'));
    assert.throws(() => writer.commit(expected), { code: 'BLOB_DIGEST_MISMATCH' });
  }
  const aborted = store.create();
  aborted.write(Buffer.from('text'));
  aborted.abort();
  aborted.abort();
  assert.deepEqual(readdirSync(join(directory, 'sha256')), []);
  assert.deepEqual(readdirSync(join(directory, 'incoming')), []);
});

test('a broken download goes on where it stopped, in one build only', (t) => {
  const store = openBlobStore(temporary(t));
  const digest = digestOf('hello world');
  const first = store.resume(digest);
  assert.equal(first.size, 0);
  first.write(Buffer.from('hello '));
  first.suspend(digest);
  const second = store.resume(digest);
  const rival = store.resume(digest);
  assert.equal(second.size, 6);
  assert.equal(rival.size, 0);
  second.write(Buffer.from('world'));
  assert.deepEqual(second.commit({ digest, size: 11 }), { digest, size: 11 });
  rival.write(Buffer.from('hello world'));
  rival.commit({ digest, size: 11 });
  assert.equal(readFileSync(store.path(digest), 'utf8'), 'hello world');
});

test('two writers of one blob, and a file from outside, do not disturb each other', (t) => {
  const directory = temporary(t);
  const store = openBlobStore(join(directory, 'blobs'));
  const writers = [store.create(), openBlobStore(join(directory, 'blobs')).create()];
  for (const writer of writers) writer.write(Buffer.from('same'));
  for (const writer of writers) writer.commit();
  writeFileSync(join(directory, 'file'), 'same');
  assert.deepEqual(store.importFile(join(directory, 'file')), { digest: digestOf('same'), size: 4 });
  assert.throws(() => store.importFile(join(directory, 'file'), { digest: digestOf('x'), size: 4 }), {
    code: 'BLOB_DIGEST_MISMATCH',
  });
  assert.deepEqual(readdirSync(join(directory, 'blobs', 'incoming')), []);
  assert.equal(readFileSync(join(directory, 'file'), 'utf8'), 'same');
});

test('a blob that is not there is an error that says so', async (t) => {
  const store = openBlobStore(temporary(t));
  assert.equal(store.has(digestOf('nothing')), undefined);
  await assert.rejects(contentOf(store, digestOf('nothing')), { code: 'BLOB_MISSING' });
});

test('what killed builds left behind goes away after a day, not what runs now', (t) => {
  const directory = temporary(t);
  const store = openBlobStore(directory);
  const running = store.create();
  writeFileSync(join(directory, 'incoming', 'orphan'), 'x');
  utimesSync(join(directory, 'incoming', 'orphan'), 1, 1);
  openBlobStore(directory);
  assert.equal(readdirSync(join(directory, 'incoming')).length, 1);
  running.write(Buffer.from('still here'));
  assert.equal(running.commit().size, 10);
});
