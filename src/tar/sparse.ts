import type { ByteString } from '../byteString.ts';
import { BLOCK_SIZE, parseNumber } from './block.ts';
import { invalidTar } from './invalidTar.ts';
import { parsePaxInteger } from './pax.ts';

/**
 * Where the stored pieces of a sparse file belong: offset, length, offset, length, … in the file as its reader sees it.
 */
export type SparseMap = readonly number[];

/** A map while it is read. */
export class SparseMapBuilder {
  readonly segments: number[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(offset: number, length: number): void {
    if (this.segments.length >= 2 * this.#limit) throw invalidTar(`a sparse file of more than ${this.#limit} pieces`);
    this.segments.push(offset, length);
  }

  /** Takes GNU's old format, `count` pairs of 12-byte numbers at `at`, up to the first empty one. */
  addOldEntries(bytes: Buffer, at: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const entry = at + i * 24;
      if (bytes[entry] === 0 && bytes[entry + 12] === 0) return;
      this.add(parseNumber(bytes, entry, 12), parseNumber(bytes, entry + 12, 12));
    }
  }

  /** Takes the value of a `GNU.sparse.map` record (formats 0.0 and 0.1). */
  addPaxMap(value: ByteString): void {
    const numbers = value === '' ? [] : value.split(',');
    if (numbers.length % 2 !== 0) throw invalidTar('a sparse map of an odd number of values');
    for (let i = 0; i < numbers.length; i += 2) {
      const [offset, length] = [numbers[i], numbers[i + 1]].map((n) =>
        parsePaxInteger('GNU.sparse.map', n as ByteString),
      );
      this.add(offset ?? NaN, length ?? NaN);
    }
  }

  /**
   * The finished map of a file of `size` bytes, of which `stored` are in the archive from `offset` on.
   * @throws BuildError `TAR_INVALID` unless the pieces are in order, inside the file, and add up
   */
  finish(size: number, stored: number, offset: number): SparseMap {
    if (!(size >= 0)) throw invalidTar('a sparse file without a valid size', offset);
    let position = 0;
    let sum = 0;
    for (let i = 0; i < this.segments.length; i += 2) {
      const start = this.segments[i] ?? NaN;
      const length = this.segments[i + 1] ?? NaN;
      const inOrder = start >= position && length >= 0 && start + length <= size;
      if (!inOrder) throw invalidTar('a sparse file whose pieces overlap or lie outside of it', offset);
      position = start + length;
      sum += length;
    }
    if (sum !== stored) throw invalidTar(`a sparse file of ${stored} stored bytes whose map speaks of ${sum}`, offset);
    return this.segments;
  }
}

/** Reads the map that format 1.0 puts before the data: decimal lines, a count and then pairs, in whole blocks. */
export class SparseMapText {
  readonly #builder: SparseMapBuilder;
  /** Pairs that are still to come; undefined before the count was read. */
  #pairs: number | undefined;
  #offset: number | undefined;
  #number = 0;
  #digits = 0;

  constructor(builder: SparseMapBuilder) {
    this.#builder = builder;
  }

  /** Takes the block at `at`; true if the map ended in it. */
  block(bytes: Buffer, at: number): boolean {
    for (let i = at; i < at + BLOCK_SIZE; i++) {
      const byte = bytes[i] ?? 0;
      if (byte === 0x0a) {
        if (this.#line()) return true;
        continue;
      }
      const digit = byte - 0x30;
      if (digit < 0 || digit > 9 || ++this.#digits > 15) throw invalidTar('a sparse map with a malformed number');
      this.#number = this.#number * 10 + digit;
    }
    return false;
  }

  #line(): boolean {
    if (this.#digits === 0) throw invalidTar('a sparse map with an empty line');
    const value = this.#number;
    this.#number = 0;
    this.#digits = 0;
    if (this.#pairs === undefined) {
      this.#pairs = value;
    } else if (this.#offset === undefined) {
      this.#offset = value;
    } else {
      this.#builder.add(this.#offset, value);
      this.#offset = undefined;
      this.#pairs--;
    }
    return this.#pairs === 0;
  }
}
