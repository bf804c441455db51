import type { ByteString } from '../byteString.ts';
import { NO_XATTRS, type FileType, type TarHeader, type Xattrs } from '../tar/header.ts';

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

/** Bytes of the fixed part of a record. */
const FIXED = 64;
/** Most layers are small. */
const FIRST_CHUNK = 16 << 10;
const CHUNK = 1 << 20;

/**
 * The headers of a layer's tar in archive order, in about 70 bytes and the names an entry. It is what a tree is merged from,
 * and it can be kept beside a layer so that the blob need not be read for it.
 */
export class LayerListing implements Iterable<ListedEntry> {
  /** Records never cross chunks, and growing copies nothing. */
  readonly #chunks: Buffer[];
  readonly #lengths: number[];
  #count: number;

  private constructor(chunks: Buffer[], lengths: number[], count: number) {
    this.#chunks = chunks;
    this.#lengths = lengths;
    this.#count = count;
  }

  static empty(): LayerListing {
    return new LayerListing([], [], 0);
  }

  /** What `encode` gave. */
  static decode(bytes: Uint8Array): LayerListing {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new LayerListing([buffer], [buffer.length - 4], buffer.readUInt32LE(buffer.length - 4));
  }

  /** A copy as one byte array; `decode` is its inverse. */
  encode(): Uint8Array<ArrayBuffer> {
    const length = this.#lengths.reduce((sum, chunk) => sum + chunk, 0);
    const bytes = new Uint8Array(length + 4);
    let at = 0;
    for (const [index, chunk] of this.#chunks.entries()) {
      const used = this.#lengths[index] ?? 0;
      bytes.set(chunk.subarray(0, used), at);
      at += used;
    }
    new DataView(bytes.buffer).setUint32(length, this.#count, true);
    return bytes;
  }

  get count(): number {
    return this.#count;
  }

  append(header: TarHeader, offset: number): void {
    const xattrs = encodeXattrs(header.xattrs);
    const size = FIXED + header.path.length + header.linkTarget.length + xattrs.length;
    const { bytes, start } = this.#reserve(size);
    let at = start;
    bytes.writeUInt32LE(TYPE_CODES.get(header.type) ?? 0, at);
    bytes.writeUInt32LE(header.mode, at + 4);
    bytes.writeUInt32LE(header.uid, at + 8);
    bytes.writeUInt32LE(header.gid, at + 12);
    bytes.writeDoubleLE(header.size, at + 16);
    bytes.writeDoubleLE(header.mtime.seconds, at + 24);
    bytes.writeDoubleLE(offset, at + 32);
    bytes.writeUInt32LE(header.mtime.nanoseconds, at + 40);
    bytes.writeUInt32LE(header.deviceMajor, at + 44);
    bytes.writeUInt32LE(header.deviceMinor, at + 48);
    bytes.writeUInt32LE(header.path.length, at + 52);
    bytes.writeUInt32LE(header.linkTarget.length, at + 56);
    bytes.writeUInt32LE(xattrs.length, at + 60);
    at += FIXED;
    at += bytes.write(header.path, at, 'latin1');
    at += bytes.write(header.linkTarget, at, 'latin1');
    bytes.write(xattrs, at, 'latin1');
    this.#count++;
  }

  *[Symbol.iterator](): Iterator<ListedEntry> {
    for (const [index, bytes] of this.#chunks.entries()) {
      const length = this.#lengths[index] ?? 0;
      for (let at = 0; at < length;) {
        const names = at + FIXED;
        const pathEnd = names + bytes.readUInt32LE(at + 52);
        const linkEnd = pathEnd + bytes.readUInt32LE(at + 56);
        const end = linkEnd + bytes.readUInt32LE(at + 60);
        yield {
          header: {
            type: TYPES[bytes.readUInt32LE(at)] ?? 'file',
            path: bytes.toString('latin1', names, pathEnd) as ByteString,
            mode: bytes.readUInt32LE(at + 4),
            uid: bytes.readUInt32LE(at + 8),
            gid: bytes.readUInt32LE(at + 12),
            size: bytes.readDoubleLE(at + 16),
            mtime: { seconds: bytes.readDoubleLE(at + 24), nanoseconds: bytes.readUInt32LE(at + 40) },
            linkTarget: bytes.toString('latin1', pathEnd, linkEnd) as ByteString,
            deviceMajor: bytes.readUInt32LE(at + 44),
            deviceMinor: bytes.readUInt32LE(at + 48),
            xattrs: end === linkEnd ? NO_XATTRS : decodeXattrs(bytes.toString('latin1', linkEnd, end)),
          },
          offset: bytes.readDoubleLE(at + 32),
        };
        at = end;
      }
    }
  }

  #reserve(size: number): { bytes: Buffer; start: number } {
    const last = this.#chunks.length - 1;
    const bytes = this.#chunks[last];
    const start = this.#lengths[last] ?? 0;
    if (bytes !== undefined && start + size <= bytes.length) {
      this.#lengths[last] = start + size;
      return { bytes, start };
    }
    const chunk = Buffer.allocUnsafeSlow(Math.max(size, this.#chunks.length === 0 ? FIRST_CHUNK : CHUNK));
    this.#chunks.push(chunk);
    this.#lengths.push(size);
    return { bytes: chunk, start: 0 };
  }
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
