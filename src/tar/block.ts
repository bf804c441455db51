import type { ByteString } from '../byteString.ts';
import { invalidTar } from './invalidTar.ts';

export const BLOCK_SIZE = 512;

/** Told by the magic; PAX is ustar with extended headers. */
type TarFormat = 'v7' | 'ustar' | 'star' | 'gnu';

/** The fields of one header block as they stand there, before PAX records and long names are applied. */
export interface HeaderBlock {
  /** The character of the type, as a byte. */
  readonly type: number;
  readonly format: TarFormat;
  readonly path: ByteString;
  readonly linkTarget: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of what is stored in the archive after this block. */
  readonly size: number;
  readonly mtime: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

/** True if the 512 bytes at `at` are all zero. */
export function isZeroBlock(bytes: Buffer, at: number): boolean {
  for (let i = at; i < at + BLOCK_SIZE; i++) if (bytes[i] !== 0) return false;
  return true;
}

/**
 * Reads a v7, ustar, star or GNU header block at `at`. `offset` is its place in the archive, for messages.
 * @throws BuildError `TAR_INVALID` on a wrong checksum or a field that is no number
 */
export function parseBlock(bytes: Buffer, at: number, offset: number): HeaderBlock {
  verifyChecksum(bytes, at, offset);
  const format = formatOf(bytes, at);
  const field = (name: string, start: number, length: number): number => {
    const value = parseNumber(bytes, at + start, length);
    if (Number.isNaN(value)) throw invalidTar(`the ${name} of a header is not a number`, offset);
    return value;
  };
  const name = parseString(bytes, at, 100);
  const prefix = parsePrefix(bytes, at, format);
  return {
    type: bytes[at + 156] ?? 0,
    format,
    path: prefix === '' ? name : (`${prefix}/${name}` as ByteString),
    linkTarget: parseString(bytes, at + 157, 100),
    mode: field('mode', 100, 8),
    uid: field('user id', 108, 8),
    gid: field('group id', 116, 8),
    size: field('size', 124, 12),
    mtime: field('modification time', 136, 12),
    deviceMajor: format === 'v7' ? 0 : field('device number', 329, 8),
    deviceMinor: format === 'v7' ? 0 : field('device number', 337, 8),
  };
}

/** The bytes before the first NUL, at most `length`. */
export function parseString(bytes: Buffer, at: number, length: number): ByteString {
  let end = at;
  while (end < at + length && bytes[end] !== 0) end++;
  return bytes.toString('latin1', at, end) as ByteString;
}

/** Octal digits between spaces or NULs, or GNU's base-256 with a sign; NaN if neither, or beyond 2^53. */
export function parseNumber(bytes: Buffer, at: number, length: number): number {
  const end = at + length;
  const first = bytes[at] ?? 0;
  if (first & 0x80) return parseBase256(bytes, at, end, first);
  let i = at;
  while (i < end && isBlank(bytes[i])) i++;
  let value = 0;
  for (; i < end && !isBlank(bytes[i]); i++) {
    const digit = (bytes[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) return NaN;
    value = value * 8 + digit;
  }
  // After a NUL anything may stand, after a space only blanks: as in Go, so that no two readers see different numbers.
  for (; i < end && bytes[i] !== 0; i++) if (bytes[i] !== 0x20) return NaN;
  return value;
}

function parseBase256(bytes: Buffer, at: number, end: number, first: number): number {
  const flip = first & 0x40 ? 0xff : 0;
  let value = (first ^ flip) & 0x7f;
  for (let i = at + 1; i < end; i++) {
    value = value * 256 + ((bytes[i] ?? 0) ^ flip);
    if (value > Number.MAX_SAFE_INTEGER) return NaN;
  }
  return flip ? -value - 1 : value;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0 || byte === 0x20;
}

/** Early tars summed signed bytes; readers take either sum. */
function verifyChecksum(bytes: Buffer, at: number, offset: number): void {
  const wanted = parseNumber(bytes, at + 148, 8);
  let sum = 8 * 0x20;
  for (let i = at; i < at + 148; i++) sum += bytes[i] ?? 0;
  for (let i = at + 156; i < at + BLOCK_SIZE; i++) sum += bytes[i] ?? 0;
  if (sum === wanted || signedSum(bytes, at, sum) === wanted) return;
  throw invalidTar('a header with a wrong checksum; this is not a tar archive or it was cut or changed', offset);
}

function signedSum(bytes: Buffer, at: number, sum: number): number {
  let signed = sum;
  for (let i = at; i < at + BLOCK_SIZE; i++) {
    const inChecksum = i >= at + 148 && i < at + 156;
    if (!inChecksum && (bytes[i] ?? 0) >= 0x80) signed -= 256;
  }
  return signed;
}

const USTAR = [0x75, 0x73, 0x74, 0x61, 0x72];

function formatOf(bytes: Buffer, at: number): TarFormat {
  for (let i = 0; i < USTAR.length; i++) if (bytes[at + 257 + i] !== USTAR[i]) return 'v7';
  if (bytes[at + 262] === 0) return bytes.toString('latin1', at + 508, at + 512) === 'tar\0' ? 'star' : 'ustar';
  return bytes[at + 262] === 0x20 && bytes[at + 263] === 0x20 && bytes[at + 264] === 0 ? 'gnu' : 'v7';
}

function parsePrefix(bytes: Buffer, at: number, format: TarFormat): ByteString | '' {
  if (format === 'v7' || bytes[at + 345] === 0) return '';
  if (format === 'ustar') return parseString(bytes, at + 345, 155);
  if (format === 'star') return parseString(bytes, at + 345, 131);
  // GNU keeps times and sparse maps here, but Go before 1.8 wrote a prefix under GNU's magic.
  const times = parseNumber(bytes, at + 345, 12) + parseNumber(bytes, at + 357, 12);
  if (!Number.isNaN(times)) return '';
  const prefix = parseString(bytes, at + 345, 155);
  return isAscii(prefix) ? prefix : '';
}

function isAscii(text: string): boolean {
  return !/[\u0080-\u00ff]/.test(text);
}
