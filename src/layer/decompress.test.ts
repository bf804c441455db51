import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { BuildError } from '../errors.ts';
import { decompress } from './decompress.ts';

async function* pieces(bytes: Buffer, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Buffer, size?: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of decompress(pieces(bytes, size), 'layer x')) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const DATA = Buffer.concat([Buffer.from('some text '.repeat(50_000)), randomBytes(100_000)]);
const HALF = DATA.length >> 1;
const SKIPPABLE = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);

suite('a blob is read whatever it is compressed with', () => {
  const table: readonly (readonly [name: string, blob: Buffer, content: Buffer])[] = [
    ['not at all', DATA, DATA],
    ['nothing', Buffer.alloc(0), Buffer.alloc(0)],
    ['three bytes', Buffer.from('abc'), Buffer.from('abc')],
    ['gzip', gzipSync(DATA), DATA],
    ['a little gzip', gzipSync('little'), Buffer.from('little')],
    ['a little zstd', zstdCompressSync('little'), Buffer.from('little')],
    ['gzip of nothing', gzipSync(''), Buffer.alloc(0)],
    ['gzip in several members', Buffer.concat([gzipSync(DATA.subarray(0, HALF)), gzipSync(DATA.subarray(HALF))]), DATA],
    ['gzip with zeros after it', Buffer.concat([gzipSync(DATA), Buffer.alloc(3_000_000)]), DATA],
    ['zstd', zstdCompressSync(DATA), DATA],
    [
      'zstd in several frames',
      Buffer.concat([zstdCompressSync(DATA.subarray(0, HALF)), zstdCompressSync(DATA.subarray(HALF))]),
      DATA,
    ],
    ['zstd with a skippable frame first', Buffer.concat([SKIPPABLE, zstdCompressSync(DATA)]), DATA],
    ['zstd with a skippable frame last', Buffer.concat([zstdCompressSync(DATA), SKIPPABLE]), DATA],
  ];
  for (const [name, blob, content] of table) {
    test(name, async () => {
      assert.ok((await read(blob)).equals(content));
      if (blob.length < 200) assert.ok((await read(blob, 1)).equals(content));
    });
  }
});

suite('a damaged blob is an error that names it', () => {
  const gzip = gzipSync(DATA);
  const zstd = zstdCompressSync(DATA);
  const flipped = Buffer.from(gzip);
  flipped[flipped.length - 6] = (flipped[flipped.length - 6] ?? 0) ^ 1;
  const table: readonly (readonly [name: string, blob: Buffer])[] = [
    ['gzip that was cut off', gzip.subarray(0, -100)],
    ['gzip that was cut off in its header', gzip.subarray(0, 5)],
    ['gzip with another checksum', flipped],
    ['gzip that is none after its first bytes', Buffer.concat([gzip.subarray(0, 10), randomBytes(5000)])],
    ['zstd that was cut off', zstd.subarray(0, -100)],
    ['zstd that is none after its first bytes', Buffer.concat([zstd.subarray(0, 4), randomBytes(5000)])],
  ];
  for (const [name, blob] of table) {
    test(name, async () => {
      await assert.rejects(
        read(blob),
        (error) => error instanceof BuildError && error.code === 'BLOB_CORRUPT' && error.message.includes('layer x'),
      );
    });
  }
});

test('an error of the source comes out as it is', async () => {
  const broken = new BuildError('REGISTRY_ERROR', 'the connection was lost');
  async function* source(): AsyncGenerator<Uint8Array> {
    yield gzipSync(DATA).subarray(0, 5000);
    throw broken;
  }
  await assert.rejects(async () => {
    for await (const chunk of decompress(source(), 'layer x')) assert.ok(chunk.length > 0);
  }, broken);
});

test('a reader that has enough lets go of the source', async () => {
  for (const blob of [DATA, gzipSync(DATA), zstdCompressSync(DATA)]) {
    let closed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* pieces(blob);
      } finally {
        closed = true;
      }
    }
    for await (const chunk of decompress(source(), 'layer x')) {
      assert.ok(chunk.length > 0);
      break;
    }
    assert.ok(closed);
  }
});
