import { createGunzip, createZstdDecompress } from 'node:zlib';
import { BuildError, messageOf } from '../errors.ts';

const CHUNK = 512 << 10;

/**
 * The uncompressed bytes of a blob. What it is compressed with is seen from its first bytes, as Docker does, whatever its media
 * type says: gzip, zstd or not at all.
 * @throws BuildError `BLOB_CORRUPT` naming `name`
 */
export async function* decompress(source: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const { start, rest } = await peek(source, 4);
  const decoder = decoderFor(start);
  if (decoder === undefined) {
    yield* rest;
    return;
  }
  // An error of the source must reach the reader as it is, not as a broken stream.
  let failure: unknown;
  const feeding = feed(rest, decoder).catch((error: unknown) => {
    failure = error;
    decoder.destroy(error instanceof Error ? error : new Error(messageOf(error)));
  });
  try {
    for await (const chunk of decoder) yield chunk;
  } catch (error) {
    if (failure !== undefined) throw failure;
    throw new BuildError('BLOB_CORRUPT', `${name} can't be decompressed: ${messageOf(error)}`, { cause: error });
  } finally {
    decoder.destroy();
    await feeding;
  }
}

type Decoder = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>;

function decoderFor(start: Uint8Array): Decoder | undefined {
  const [a, b, c, d] = start;
  if (a === 0x1f && b === 0x8b) return createGunzip({ chunkSize: CHUNK });
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return createZstdDecompress({ chunkSize: CHUNK });
  // Skippable zstd frames, which estargz-like formats put first.
  if (a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) {
    return createZstdDecompress({ chunkSize: CHUNK });
  }
  return undefined;
}

async function feed(source: AsyncIterable<Uint8Array>, decoder: Decoder): Promise<void> {
  let goOn: (() => void) | undefined;
  decoder.on('drain', () => goOn?.());
  decoder.on('close', () => goOn?.());
  for await (const chunk of source) {
    if (decoder.destroyed) return;
    if (decoder.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
  }
  decoder.end();
}

/** The first `length` bytes (fewer if there are no more) and a stream that still has them. */
async function peek(
  source: AsyncIterable<Uint8Array>,
  length: number,
): Promise<{ start: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < length) {
    const next = await iterator.next();
    if (next.done === true) break;
    chunks.push(next.value);
    size += next.value.length;
  }
  async function* rest(): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { start: Buffer.concat(chunks), rest: rest() };
}
