import type { ByteString } from '../byteString.ts';
import { toText } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import type { HeaderBlock } from './block.ts';
import { BLOCK_SIZE, isZeroBlock, parseBlock, parseNumber, parseString } from './block.ts';
import type { TarHeader } from './header.ts';
import { invalidTar } from './invalidTar.ts';
import type { TarLimits } from './limits.ts';
import { TAR_LIMITS } from './limits.ts';
import { mergeHeader } from './mergeHeader.ts';
import { parsePaxRecords } from './pax.ts';
import { PaxScope } from './paxScope.ts';
import type { SparseMap } from './sparse.ts';
import { SparseMapBuilder, SparseMapText } from './sparse.ts';

/** What a reader tells. Calls come in archive order, during `write()` and `end()`; what they throw comes out there. */
export interface TarHandler {
  /** `offset`: where the entry's stored data starts, in bytes of the uncompressed archive. */
  entry(header: TarHeader, offset: number): void;
  /** The next bytes of the current file; a view into what was written, not to be kept without copying. */
  data?(chunk: Uint8Array): void;
  /** The next `length` bytes of the current file are zeros; without this they are given to `data()`. */
  hole?(length: number): void;
  /** All of the current entry was given; follows every `entry()`. */
  endEntry?(): void;
}

type State = 'header' | 'metadata' | 'oldSparse' | 'sparseText' | 'content' | 'ended';

/**
 * Reads a tar archive that is pushed in pieces of any size: v7, ustar, star, GNU and PAX, sparse files in all of GNU's
 * formats. Blocks are read where they lie; content is handed on uncopied, and only stepped over if nobody wants it.
 * Like Go's archive/tar (what container runtimes read layers with) it stops at two blocks of zeros, takes an archive
 * without them, and does not expect data after entries other than files, whatever their size field says.
 * After an error a reader is of no further use.
 */
export class TarReader {
  readonly #handler: TarHandler;
  readonly #limits: TarLimits;
  readonly #pax: PaxScope;
  #state: State = 'header';
  /** Bytes of the archive before the current chunk. */
  #base = 0;
  /** Bytes to step over before the state goes on. */
  #skip = 0;
  /** A block whose parts came in different chunks. */
  readonly #block = Buffer.alloc(BLOCK_SIZE);
  #blockLength = 0;
  #sawZeroBlock = false;
  #header: HeaderBlock | undefined;
  #headerOffset = 0;
  /** A long name or PAX header that came in more than one chunk. */
  #metadata: Buffer | undefined;
  #metadataLength = 0;
  #entry: TarHeader | undefined;
  /** Stored bytes of the current entry that are still to come. */
  #remaining = 0;
  #padding = 0;
  #mapBuilder: SparseMapBuilder | undefined;
  #mapText: SparseMapText | undefined;
  #map: SparseMap | undefined;
  /** Of an old GNU sparse file. */
  #realSize = 0;
  #segment = 0;
  #position = 0;

  constructor(handler: TarHandler, limits: Partial<TarLimits> = {}) {
    this.#handler = handler;
    this.#limits = { ...TAR_LIMITS, ...limits };
    this.#pax = new PaxScope(this.#limits);
  }

  /** @throws BuildError `TAR_INVALID` or `TAR_UNSUPPORTED` */
  write(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    while (at < bytes.length && this.#state !== 'ended') {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, bytes.length - at);
        this.#skip -= step;
        at += step;
      } else if (this.#state === 'content') {
        at = this.#readContent(bytes, at);
      } else if (this.#state === 'metadata') {
        at = this.#readMetadata(bytes, at);
      } else {
        at = this.#readBlock(bytes, at);
      }
    }
    this.#base += bytes.length;
  }

  /** @throws BuildError `TAR_INVALID` if the archive stops in the middle of an entry */
  end(): void {
    const whole = this.#state === 'header' && this.#blockLength === 0 && !this.#pax.pending;
    if (this.#state === 'ended' || whole) return;
    const entry = this.#entry === undefined ? '' : ` in the middle of ${quote(this.#entry.path)}`;
    throw invalidTar(`it ends too early${entry}`, this.#base);
  }

  #readBlock(bytes: Buffer, at: number): number {
    if (this.#blockLength === 0 && bytes.length - at >= BLOCK_SIZE) {
      this.#takeBlock(bytes, at, this.#base + at);
      return at + BLOCK_SIZE;
    }
    const end = Math.min(at + BLOCK_SIZE - this.#blockLength, bytes.length);
    bytes.copy(this.#block, this.#blockLength, at, end);
    this.#blockLength += end - at;
    if (this.#blockLength === BLOCK_SIZE) {
      this.#blockLength = 0;
      this.#takeBlock(this.#block, 0, this.#base + end - BLOCK_SIZE);
    }
    return end;
  }

  #takeBlock(bytes: Buffer, at: number, offset: number): void {
    if (this.#state === 'oldSparse') this.#takeOldSparse(bytes, at, offset);
    else if (this.#state === 'sparseText') this.#takeSparseText(bytes, at, offset);
    else this.#takeHeader(bytes, at, offset);
  }

  #takeHeader(bytes: Buffer, at: number, offset: number): void {
    if (bytes[at] === 0 && isZeroBlock(bytes, at)) {
      if (this.#pax.pending) throw invalidTar('an extended header without an entry', offset);
      if (this.#sawZeroBlock) this.#state = 'ended';
      this.#sawZeroBlock = true;
      return;
    }
    if (this.#sawZeroBlock) throw invalidTar('a single block of zeros between entries', offset);
    const header = parseBlock(bytes, at, offset);
    this.#header = header;
    this.#headerOffset = offset;
    const next = offset + BLOCK_SIZE;
    switch (header.type) {
      case TYPE.pax:
      case TYPE.globalPax:
      case TYPE.longName:
      case TYPE.longLink:
        this.#startMetadata(header, offset);
        break;
      case TYPE.oldSparse:
        this.#startOldSparse(bytes, at, offset);
        break;
      default:
        this.#startEntry(header, next);
    }
  }

  #startMetadata(header: HeaderBlock, offset: number): void {
    if (header.size < 0 || header.size > this.#limits.metadataBytes) {
      throw invalidTar(`an extended header of ${header.size} bytes; ${this.#limits.metadataBytes} are allowed`, offset);
    }
    this.#state = 'metadata';
    this.#remaining = header.size;
    this.#padding = paddingOf(header.size);
    if (header.size === 0) this.#takeMetadata(header, Buffer.alloc(0));
  }

  #readMetadata(bytes: Buffer, at: number): number {
    const header = this.#header;
    if (header === undefined) throw new Error('metadata without a header');
    const end = Math.min(at + this.#remaining, bytes.length);
    this.#remaining -= end - at;
    if (this.#metadata === undefined && this.#remaining === 0) {
      this.#takeMetadata(header, bytes.subarray(at, end));
      return end;
    }
    this.#metadata ??= Buffer.alloc(header.size);
    bytes.copy(this.#metadata, this.#metadataLength, at, end);
    this.#metadataLength += end - at;
    if (this.#remaining === 0) {
      const whole = this.#metadata;
      this.#metadata = undefined;
      this.#metadataLength = 0;
      this.#takeMetadata(header, whole);
    }
    return end;
  }

  #takeMetadata(header: HeaderBlock, bytes: Buffer): void {
    this.#state = 'header';
    this.#skip = this.#padding;
    if (header.type === TYPE.pax) this.#pax.local = parsePaxRecords(bytes, this.#headerOffset);
    else if (header.type === TYPE.globalPax) this.#pax.addGlobal(parsePaxRecords(bytes, this.#headerOffset));
    else if (header.type === TYPE.longName) this.#pax.longName = parseString(bytes, 0, bytes.length);
    else this.#pax.longLink = parseString(bytes, 0, bytes.length);
  }

  #startOldSparse(bytes: Buffer, at: number, offset: number): void {
    if (this.#header?.format !== 'gnu') throw invalidTar('an old GNU sparse file without a GNU header', offset);
    this.#mapBuilder = new SparseMapBuilder(this.#limits.sparseSegments);
    this.#mapBuilder.addOldEntries(bytes, at + 386, 4);
    this.#realSize = parseNumber(bytes, at + 483, 12);
    if (bytes[at + 482] === 0) this.#startEntry(this.#header, offset + BLOCK_SIZE);
    else this.#state = 'oldSparse';
  }

  #takeOldSparse(bytes: Buffer, at: number, offset: number): void {
    this.#mapBuilder?.addOldEntries(bytes, at, 21);
    if (bytes[at + 504] === 0 && this.#header !== undefined) this.#startEntry(this.#header, offset + BLOCK_SIZE);
  }

  #takeSparseText(bytes: Buffer, at: number, offset: number): void {
    this.#remaining -= BLOCK_SIZE;
    if (this.#remaining < 0) throw invalidTar('a sparse file whose map is longer than the file', offset);
    if (this.#mapText?.block(bytes, at) === true) this.#beginContent(offset + BLOCK_SIZE);
  }

  #startEntry(block: HeaderBlock, offset: number): void {
    const { header, stored, sparse } = mergeHeader(block, this.#pax, offset - BLOCK_SIZE);
    this.#pax.clearLocal();
    this.#remaining = stored;
    this.#padding = paddingOf(stored);
    this.#segment = 0;
    if (block.type === TYPE.oldSparse) {
      this.#entry = { ...header, size: this.#realSize };
      this.#beginContent(offset);
      return;
    }
    this.#entry = header;
    if (sparse === undefined) {
      this.#beginContent(offset);
      return;
    }
    this.#mapBuilder = new SparseMapBuilder(this.#limits.sparseSegments);
    if (sparse.map === undefined) {
      this.#mapText = new SparseMapText(this.#mapBuilder);
      this.#state = 'sparseText';
      return;
    }
    this.#mapBuilder.addPaxMap(sparse.map);
    this.#beginContent(offset);
  }

  #beginContent(offset: number): void {
    const entry = this.#entry;
    if (entry === undefined) throw new Error('content without an entry');
    this.#map = undefined;
    if (this.#mapBuilder !== undefined) {
      this.#map = this.#mapBuilder.finish(entry.size, this.#remaining, offset);
      this.#mapBuilder = undefined;
      this.#mapText = undefined;
      this.#position = 0;
      this.#refuseHoleBomb(entry);
    }
    if (entry.type !== 'file') {
      this.#padding += this.#remaining;
      this.#remaining = 0;
    }
    this.#state = 'content';
    this.#handler.entry(entry, offset);
    if (this.#remaining === 0) this.#finishEntry();
  }

  #refuseHoleBomb(entry: TarHeader): void {
    if (this.#handler.data === undefined || this.#handler.hole !== undefined) return;
    if (entry.size - this.#remaining <= this.#limits.holeBytes) return;
    throw new BuildError(
      'TAR_UNSUPPORTED',
      `the sparse file ${quote(entry.path)} of a tar archive is too large to unfold`,
      {
        facts: { size: entry.size, stored: this.#remaining },
      },
    );
  }

  #readContent(bytes: Buffer, at: number): number {
    const end = Math.min(at + this.#remaining, bytes.length);
    if (this.#map === undefined) this.#handler.data?.(bytes.subarray(at, end));
    else this.#spread(this.#map, bytes.subarray(at, end));
    this.#remaining -= end - at;
    if (this.#remaining === 0) this.#finishEntry();
    return end;
  }

  #finishEntry(): void {
    if (this.#map !== undefined) this.#hole((this.#entry?.size ?? 0) - this.#position);
    this.#state = 'header';
    this.#skip = this.#padding;
    this.#entry = undefined;
    this.#handler.endEntry?.();
  }

  /** Gives stored bytes of a sparse file to the places of its map, and the holes before them. */
  #spread(map: SparseMap, stored: Buffer): void {
    let at = 0;
    while (at < stored.length) {
      const start = map[this.#segment] ?? 0;
      const end = start + (map[this.#segment + 1] ?? 0);
      if (this.#position >= end || start === end) {
        this.#segment += 2;
        continue;
      }
      this.#hole(start - this.#position);
      const length = Math.min(end - this.#position, stored.length - at);
      this.#handler.data?.(stored.subarray(at, at + length));
      this.#position += length;
      at += length;
    }
  }

  #hole(length: number): void {
    if (length <= 0) return;
    this.#position += length;
    if (this.#handler.hole !== undefined) {
      this.#handler.hole(length);
    } else if (this.#handler.data !== undefined) {
      for (let left = length; left > 0; left -= ZEROS.length) {
        this.#handler.data(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS);
      }
    }
  }
}

const ZEROS = Buffer.alloc(64 * 1024);

const TYPE = {
  pax: byteOf('x'),
  globalPax: byteOf('g'),
  longName: byteOf('L'),
  longLink: byteOf('K'),
  oldSparse: byteOf('S'),
} as const;

function byteOf(character: string): number {
  return character.charCodeAt(0);
}

function paddingOf(size: number): number {
  return (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE;
}

function quote(path: ByteString): string {
  return JSON.stringify(toText(path));
}
