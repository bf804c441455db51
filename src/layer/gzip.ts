import { crc32, deflateRaw, deflateRawSync, constants } from 'node:zlib';

/** Bytes that are compressed at once. Part of the format: the same input gives the same bytes whatever the number of threads. */
export const GZIP_BLOCK = 1 << 20;

const DICTIONARY = 32 << 10;
const LEVEL = 6;
/** A block is tried on this many bytes of it before it is deflated whole. */
const SAMPLE = 32 << 10;
/** Bits per byte above which a block looks like random, encrypted or compressed data. */
const SUSPICIOUS_ENTROPY = 7.8;
const STORED_MAX = 0xffff;

/** Deflate, no name, no time, unknown system: nothing in it depends on where it was made. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** An empty last block in fixed codes. */
const FINAL_BLOCK = Buffer.from([0x03, 0x00]);

/**
 * Compresses to gzip on libuv's threads: blocks of `GZIP_BLOCK` bytes, each with the 32 KiB before it as dictionary, joined
 * in order. Blocks that would not shrink are stored.
 */
export class GzipEncoder {
  readonly #sink: (chunk: Uint8Array) => void;
  readonly #concurrency: number;
  readonly #pending: Promise<Uint8Array[]>[] = [];
  #dictionary: Buffer | undefined;
  #crc = 0;
  #length = 0;

  /** `sink` gets the compressed bytes in order; `concurrency` is how many blocks may be under way. */
  constructor(sink: (chunk: Uint8Array) => void, concurrency: number) {
    this.#sink = sink;
    this.#concurrency = concurrency;
    sink(HEADER);
  }

  /** Takes a block of `GZIP_BLOCK` bytes (the last may be shorter) that nobody writes to any more. */
  async write(block: Buffer): Promise<void> {
    if (block.length === 0) return;
    this.#crc = crc32(block, this.#crc);
    this.#length += block.length;
    const dictionary = this.#dictionary;
    this.#dictionary = block.subarray(Math.max(0, block.length - DICTIONARY));
    const compressed = compressBlock(block, dictionary);
    // Its error is reported by the await that takes it out.
    compressed.catch(() => undefined);
    this.#pending.push(compressed);
    while (this.#pending.length >= this.#concurrency) await this.#drainOne();
  }

  async end(): Promise<void> {
    while (this.#pending.length > 0) await this.#drainOne();
    const trailer = Buffer.alloc(FINAL_BLOCK.length + 8);
    FINAL_BLOCK.copy(trailer);
    trailer.writeUInt32LE(this.#crc >>> 0, FINAL_BLOCK.length);
    trailer.writeUInt32LE(this.#length % 2 ** 32, FINAL_BLOCK.length + 4);
    this.#sink(trailer);
  }

  async #drainOne(): Promise<void> {
    const chunks = await this.#pending.shift();
    for (const chunk of chunks ?? []) this.#sink(chunk);
  }
}

function compressBlock(block: Buffer, dictionary: Buffer | undefined): Promise<Uint8Array[]> {
  if (isIncompressible(block)) return Promise.resolve(storedBlocks(block));
  return new Promise((resolve, reject) => {
    deflateRaw(
      block,
      {
        level: LEVEL,
        finishFlush: constants.Z_SYNC_FLUSH,
        chunkSize: 256 << 10,
        ...(dictionary === undefined ? {} : { dictionary }),
      },
      (error, compressed) => {
        if (error !== null) reject(error);
        else resolve(compressed.length < block.length ? [compressed] : storedBlocks(block));
      },
    );
  });
}

/** Judged by a sample from the middle: cheap by its byte statistics first, then by trying. */
function isIncompressible(block: Buffer): boolean {
  if (block.length < SAMPLE) return false;
  const start = (block.length - SAMPLE) >>> 1;
  const sample = block.subarray(start, start + SAMPLE);
  if (entropy(sample) < SUSPICIOUS_ENTROPY) return false;
  return deflateRawSync(sample, { level: 1, chunkSize: SAMPLE * 2 }).length > SAMPLE * 0.98;
}

/** Shannon entropy in bits per byte. */
function entropy(bytes: Buffer): number {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= count * Math.log2(count / bytes.length);
  return bits / bytes.length;
}

/** RFC 1951, 3.2.4. What comes before ends on a byte, as Z_SYNC_FLUSH leaves it. */
function storedBlocks(block: Buffer): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let start = 0; start < block.length; start += STORED_MAX) {
    const part = block.subarray(start, Math.min(start + STORED_MAX, block.length));
    const header = Buffer.alloc(5);
    header.writeUInt16LE(part.length, 1);
    header.writeUInt16LE(~part.length & 0xffff, 3);
    chunks.push(header, part);
  }
  return chunks;
}
