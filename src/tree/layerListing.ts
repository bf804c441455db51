import type { ByteString } from '../byteString.ts';
import { NO_XATTRS, type FileType, type TarHeader, type Timestamp, type Xattrs } from '../tar/header.ts';

/** One entry of a layer's tar: its header and where its data starts in the uncompressed tar, in bytes. */
export interface ListedEntry {
  readonly header: TarHeader;
  readonly offset: number;
}

const TYPES: readonly (FileType | 'hardlink')[] = [
  'file',
  'directory',
  'symlink',
  'character',
  'block',
  'fifo',
  'hardlink',
];
const TYPE_CODES = new Map(TYPES.map((type, code) => [type, code]));

// A record: a byte of flags and type; mode, uid and gid; seconds and nanoseconds; size; what the offset grew by; how much of the path is
// the one before's, and the rest; the link's target; device numbers and xattrs. Numbers have seven bits a byte, lowest first. Flags say
// what is left out because it is as in the record before, or not there.
const TYPE_MASK = 0b111;
const SAME_ATTRIBUTES = 1 << 3;
const SAME_TIME = 1 << 4;
const BEFORE_1970 = 1 << 5;
const HAS_TARGET = 1 << 6;
const HAS_EXTRAS = 1 << 7;

/** What flags and numbers of a record take at most: 13 numbers of 8 bytes. */
const NUMBERS_MAX = 1 + 13 * 8;
/** Most layers are small. */
const FIRST_CHUNK = 16 << 10;
const CHUNK = 1 << 20;
/** Ends an encoded listing, after the count; its last byte is the format's version. */
const MAGIC = Buffer.from('kasane\0\x02', 'latin1');
const FOOTER = 4 + MAGIC.length;

/** What the next record may leave out. */
interface Previous {
  readonly path: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly offset: number;
}

const FIRST: Previous = {
  path: '' as ByteString,
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  offset: 0,
};

/**
 * The headers of a layer's tar in archive order, in about 40 bytes an entry. It is what a tree is merged from, and it can be kept beside
 * a layer so that the blob need not be read for it.
 */
export class LayerListing implements Iterable<ListedEntry> {
  /** Records never cross chunks, and growing copies nothing. */
  readonly #chunks: Buffer[];
  readonly #lengths: number[];
  #count: number;
  /** Absent in a decoded listing: it is complete. */
  #previous: Previous | undefined;

  private constructor(chunks: Buffer[], lengths: number[], count: number, previous: Previous | undefined) {
    this.#chunks = chunks;
    this.#lengths = lengths;
    this.#count = count;
    this.#previous = previous;
  }

  static empty(): LayerListing {
    return new LayerListing([], [], 0, FIRST);
  }

  /** What `encode` gave; undefined for anything that this version did not encode whole. */
  static decode(bytes: Uint8Array): LayerListing | undefined {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const end = buffer.length - FOOTER;
    if (end < 0 || !buffer.subarray(end + 4).equals(MAGIC)) return undefined;
    return new LayerListing([buffer], [end], buffer.readUInt32LE(end), undefined);
  }

  /** A copy as one byte array; `decode` is its inverse. */
  encode(): Uint8Array<ArrayBuffer> {
    const length = this.#lengths.reduce((sum, chunk) => sum + chunk, 0);
    const bytes = new Uint8Array(length + FOOTER);
    let at = 0;
    for (const [index, chunk] of this.#chunks.entries()) {
      const used = this.#lengths[index] ?? 0;
      bytes.set(chunk.subarray(0, used), at);
      at += used;
    }
    new DataView(bytes.buffer).setUint32(length, this.#count, true);
    bytes.set(MAGIC, length + 4);
    return bytes;
  }

  get count(): number {
    return this.#count;
  }

  /** `offset` is never less than the one before. */
  append(header: TarHeader, offset: number): void {
    const previous = this.#previous;
    if (previous === undefined) throw new Error('a decoded listing is complete');
    const { path, mode, uid, gid, mtime, linkTarget } = header;
    const sameAttributes = mode === previous.mode && uid === previous.uid && gid === previous.gid;
    const sameTime = mtime.seconds === previous.mtime.seconds && mtime.nanoseconds === previous.mtime.nanoseconds;
    const xattrs = encodeXattrs(header.xattrs);
    const hasExtras = xattrs !== '' || header.deviceMajor !== 0 || header.deviceMinor !== 0;
    const shared = sharedLength(previous.path, path);

    const writer = this.#reserve(NUMBERS_MAX + path.length - shared + linkTarget.length + xattrs.length);
    writer.byte(
      (TYPE_CODES.get(header.type) ?? 0) |
        (sameAttributes ? SAME_ATTRIBUTES : 0) |
        (sameTime ? SAME_TIME : 0) |
        (mtime.seconds < 0 ? BEFORE_1970 : 0) |
        (linkTarget === '' ? 0 : HAS_TARGET) |
        (hasExtras ? HAS_EXTRAS : 0),
    );
    if (!sameAttributes) writer.numbers(mode, uid, gid);
    if (!sameTime) writer.numbers(Math.abs(mtime.seconds), mtime.nanoseconds);
    writer.numbers(header.size, offset - previous.offset, shared);
    writer.text(path.slice(shared));
    if (linkTarget !== '') writer.text(linkTarget);
    if (hasExtras) {
      writer.numbers(header.deviceMajor, header.deviceMinor);
      writer.text(xattrs);
    }
    this.#lengths[this.#lengths.length - 1] = writer.at;
    this.#count++;
    this.#previous = { path, mode, uid, gid, mtime, offset };
  }

  *[Symbol.iterator](): Iterator<ListedEntry> {
    let { mode, uid, gid, mtime, offset } = FIRST;
    let path = Buffer.alloc(256);
    for (const [index, bytes] of this.#chunks.entries()) {
      const reader = new Reader(bytes);
      for (const end = this.#lengths[index] ?? 0; reader.at < end;) {
        const flags = reader.byte();
        if ((flags & SAME_ATTRIBUTES) === 0) [mode, uid, gid] = [reader.number(), reader.number(), reader.number()];
        if ((flags & SAME_TIME) === 0) {
          const seconds = reader.number();
          mtime = { seconds: (flags & BEFORE_1970) === 0 ? seconds : -seconds, nanoseconds: reader.number() };
        }
        const size = reader.number();
        offset += reader.number();
        const shared = reader.number();
        const length = shared + reader.number();
        if (length > path.length) path = Buffer.concat([path], length * 2);
        reader.at += bytes.copy(path, shared, reader.at, reader.at + length - shared);
        const linkTarget = (flags & HAS_TARGET) === 0 ? ('' as ByteString) : reader.text();
        const hasExtras = (flags & HAS_EXTRAS) !== 0;
        yield {
          header: {
            type: TYPES[flags & TYPE_MASK] ?? 'file',
            path: path.toString('latin1', 0, length) as ByteString,
            mode,
            uid,
            gid,
            size,
            mtime,
            linkTarget,
            deviceMajor: hasExtras ? reader.number() : 0,
            deviceMinor: hasExtras ? reader.number() : 0,
            xattrs: hasExtras ? decodeXattrs(reader.text()) : NO_XATTRS,
          },
          offset,
        };
      }
    }
  }

  /** A writer after the last record, with room for `size` bytes. */
  #reserve(size: number): Writer {
    const last = this.#chunks.length - 1;
    const bytes = this.#chunks[last];
    const start = this.#lengths[last] ?? 0;
    if (bytes !== undefined && start + size <= bytes.length) return new Writer(bytes, start);
    const chunk = Buffer.allocUnsafeSlow(Math.max(size, last < 0 ? FIRST_CHUNK : CHUNK));
    this.#chunks.push(chunk);
    this.#lengths.push(0);
    return new Writer(chunk, 0);
  }
}

class Writer {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  byte(value: number): void {
    this.#bytes[this.at++] = value;
  }

  /** Safe integers from 0. */
  numbers(...values: number[]): void {
    for (const value of values) {
      let rest = value;
      for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80);
      this.byte(rest);
    }
  }

  text(value: string): void {
    this.numbers(value.length);
    this.at += this.#bytes.write(value, this.at, 'latin1');
  }
}

class Reader {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  byte(): number {
    return this.#bytes[this.at++] ?? 0;
  }

  number(): number {
    let value = 0;
    for (let unit = 1; ; unit *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
    }
  }

  text(): ByteString {
    const length = this.number();
    const start = this.at;
    this.at += length;
    return this.#bytes.toString('latin1', start, this.at) as ByteString;
  }
}

function sharedLength(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let index = 0;
  while (index < length && a.charCodeAt(index) === b.charCodeAt(index)) index++;
  return index;
}

/** `<name length>:<name><value length>:<value>` for each attribute, by name. */
function encodeXattrs(xattrs: Xattrs): string {
  if (xattrs.size === 0) return '';
  return [...xattrs]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name.length}:${name}${value.length}:${value}`)
    .join('');
}

function decodeXattrs(text: string): Xattrs {
  if (text === '') return NO_XATTRS;
  const xattrs = new Map<ByteString, ByteString>();
  let at = 0;
  const field = (): ByteString => {
    const colon = text.indexOf(':', at);
    const start = colon + 1;
    at = start + Number(text.slice(at, colon));
    return text.slice(start, at) as ByteString;
  };
  while (at < text.length) {
    const name = field();
    xattrs.set(name, field());
  }
  return xattrs;
}
