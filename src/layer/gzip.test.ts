import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { GZIP_BLOCK, GzipEncoder } from './gzip.ts';

async function compress(input: Buffer, concurrency: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const encoder = new GzipEncoder((chunk) => chunks.push(chunk), concurrency);
  for (let at = 0; at < input.length; at += GZIP_BLOCK) await encoder.write(input.subarray(at, at + GZIP_BLOCK));
  await encoder.end();
  return Buffer.concat(chunks);
}

/** Words, so that it shrinks, and never the same twice within the window. */
function text(length: number): Buffer {
  const lines: string[] = [];
  for (let index = 0, size = 0; size < length; index++) {
    const line = `${createHash('md5').update(String(index)).digest('hex').slice(0, 8)} some words of line ${index}\n`;
    size += line.length;
    lines.push(line);
  }
  return Buffer.from(lines.join('')).subarray(0, length);
}

const NOISE = randomBytes(3 * GZIP_BLOCK);
const INPUTS: readonly (readonly [name: string, input: Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['a byte', Buffer.from('x')],
  ['a little text', text(1000)],
  ['a block', text(GZIP_BLOCK)],
  ['a block and a byte', text(GZIP_BLOCK + 1)],
  ['several blocks', text(4 * GZIP_BLOCK + 12345)],
  ['zeros', Buffer.alloc(3 * GZIP_BLOCK)],
  ['noise', NOISE],
  ['a little noise', NOISE.subarray(0, 5000)],
  ['text, noise and text again', Buffer.concat([text(GZIP_BLOCK), NOISE, text(GZIP_BLOCK)])],
  [
    'a block that is noise only in its middle',
    Buffer.concat([text(500_000), NOISE.subarray(0, 48_576), text(500_000)]),
  ],
];

suite('what is compressed is what gunzip gives back', () => {
  for (const [name, input] of INPUTS) {
    test(name, async () => {
      const compressed = await compress(input, 3);
      assert.ok(gunzipSync(compressed).equals(input));
      const { status, stdout, stderr } = spawnSync('gzip', ['-dc'], { input: compressed, maxBuffer: 1 << 30 });
      assert.equal(status, 0, stderr.toString());
      assert.ok(stdout.equals(input));
    });
  }
});

test('the bytes do not depend on the number of threads', async () => {
  const input = Buffer.concat([text(5 * GZIP_BLOCK), NOISE, text(100)]);
  const [one, ...others] = await Promise.all([1, 2, 7, 64].map((concurrency) => compress(input, concurrency)));
  for (const other of others) assert.ok(one?.equals(other));
});

test('what does not shrink hardly grows: it is stored', async () => {
  const compressed = await compress(NOISE, 2);
  assert.ok(compressed.length < NOISE.length * 1.0002 + 40, `${compressed.length} of ${NOISE.length}`);
});

test('blocks share a dictionary, so that cutting the input costs next to nothing', async () => {
  const repeated = text(20_000);
  const compressed = await compress(Buffer.concat(Array.from({ length: 200 }, () => repeated)), 2);
  assert.ok(compressed.length < 60_000, String(compressed.length));
});

test('nothing in the header says where or when it was made', async () => {
  assert.equal((await compress(text(10), 1)).subarray(0, 10).toString('hex'), '1f8b08000000000000ff');
});
