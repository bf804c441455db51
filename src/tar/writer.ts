import { posix } from 'node:path';
import type { ByteString } from '../byteString.ts';
import { toText } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import { BLOCK_SIZE } from './block.ts';
import type { TarHeader } from './header.ts';
import { formatPaxRecords, formatPaxTime } from './pax.ts';

/** What ends an archive. */
export const TAR_END: Uint8Array = Buffer.alloc(2 * BLOCK_SIZE);

/** The zeros after a content of `size` bytes. */
export function tarPadding(size: number): Uint8Array {
  return NO_DATA.subarray(0, (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE);
}

/**
 * The blocks before an entry's content: one in ustar format, and a PAX header before it where ustar cannot say it all.
 * Byte for byte what Go's archive/tar writes for the same entry with `FormatPAX`, no access or change time and no user
 * and group names. The same header always gives the same bytes.
 * @throws BuildError `TAR_UNSUPPORTED` for what PAX cannot say either: a NUL in a name, `=` in an xattr's name
 */
export function encodeTarHeader(header: TarHeader): Uint8Array {
  const path = header.type === 'directory' && !header.path.endsWith('/') ? `${header.path}/` : header.path;
  const size = header.type === 'file' ? header.size : 0;
  if (path.includes('\0') || header.linkTarget.includes('\0')) throw cannotSay(header, 'a name with a NUL byte');
  const records = new Map<string, ByteString>();
  const needsPax = collectRecords(records, header, path, size);
  if (!needsPax) {
    const block = Buffer.alloc(BLOCK_SIZE);
    const [prefix, name] = splitUstarPath(path) ?? ['', path];
    fillBlock(block, header, name, size);
    block.write(prefix, FIELD.prefix, 'latin1');
    return seal(block);
  }
  return withPaxHeader(header, path, size, formatPaxRecords(records));
}

/** Go gives a long path a record only if something else needs PAX too, or if it cannot be split. */
function collectRecords(records: Map<string, ByteString>, header: TarHeader, path: string, size: number): boolean {
  const { seconds, nanoseconds } = header.mtime;
  const longLink = !fitsAscii(header.linkTarget);
  const longPath = !fitsAscii(path);
  if (longLink) records.set('linkpath', header.linkTarget);
  if (!fitsOctal(seconds, 12) || nanoseconds !== 0) records.set('mtime', formatPaxTime(header.mtime));
  if (!fitsOctal(size, 12)) records.set('size', String(size) as ByteString);
  if (!fitsOctal(header.uid, 8)) records.set('uid', String(header.uid) as ByteString);
  if (!fitsOctal(header.gid, 8)) records.set('gid', String(header.gid) as ByteString);
  for (const [name, value] of header.xattrs) {
    if (/[=\0]/.test(name)) throw cannotSay(header, `an extended attribute named ${JSON.stringify(toText(name))}`);
    records.set(`SCHILY.xattr.${name}`, value);
  }
  const needsPax = records.size > 0 || (longPath && splitUstarPath(path) === undefined);
  if (longPath) records.set('path', path as ByteString);
  return needsPax;
}

function withPaxHeader(header: TarHeader, path: string, size: number, records: string): Uint8Array {
  const bytes = Buffer.alloc(3 * BLOCK_SIZE + records.length - 1 - ((records.length - 1) % BLOCK_SIZE));
  const outer = bytes.subarray(0, BLOCK_SIZE);
  const slash = path.lastIndexOf('/') + 1;
  const name = toAscii(posix.join(path.slice(0, slash), 'PaxHeaders.0', path.slice(slash)));
  outer.write(name.slice(0, NAME_LENGTH).replace(/\/+$/, ''), 0, 'latin1');
  for (const field of [FIELD.mode, FIELD.uid, FIELD.gid]) writeOctal(outer, field, 8, 0);
  writeOctal(outer, FIELD.size, 12, records.length);
  writeOctal(outer, FIELD.mtime, 12, 0);
  outer.write('x', FIELD.type, 'latin1');
  seal(outer);
  bytes.write(records, BLOCK_SIZE, 'latin1');
  const inner = bytes.subarray(bytes.length - BLOCK_SIZE);
  fillBlock(inner, header, withoutSlashAtCut(toAscii(path)), size);
  seal(inner);
  return bytes;
}

/** All of the block but magic, checksum and prefix. What does not fit is cut or zero, and stands in the PAX header. */
function fillBlock(block: Buffer, header: TarHeader, name: string, size: number): void {
  const isDevice = header.type === 'character' || header.type === 'block';
  block.write(name.slice(0, NAME_LENGTH), 0, 'latin1');
  writeOctal(block, FIELD.mode, 8, header.mode);
  writeOctal(block, FIELD.uid, 8, header.uid);
  writeOctal(block, FIELD.gid, 8, header.gid);
  writeOctal(block, FIELD.size, 12, size);
  writeOctal(block, FIELD.mtime, 12, header.mtime.seconds);
  block.write(TYPE[header.type], FIELD.type, 'latin1');
  block.write(withoutSlashAtCut(toAscii(header.linkTarget)).slice(0, NAME_LENGTH), FIELD.linkTarget, 'latin1');
  const [major, minor] = isDevice ? [header.deviceMajor, header.deviceMinor] : [0, 0];
  if (!fitsOctal(major, 8) || !fitsOctal(minor, 8)) throw cannotSay(header, `the device number ${major}:${minor}`);
  writeOctal(block, FIELD.deviceMajor, 8, major);
  writeOctal(block, FIELD.deviceMinor, 8, minor);
}

function seal(block: Buffer): Buffer {
  block.write('ustar\x0000', FIELD.magic, 'latin1');
  block.write('        ', FIELD.checksum, 'latin1');
  let sum = 0;
  for (let i = 0; i < BLOCK_SIZE; i++) sum += block[i] ?? 0;
  // Six digits, NUL, space, as all writers do.
  writeOctal(block, FIELD.checksum, 7, sum);
  return block;
}

const NO_DATA = Buffer.alloc(BLOCK_SIZE);
const NAME_LENGTH = 100;
const PREFIX_LENGTH = 155;

const FIELD = {
  mode: 100,
  uid: 108,
  gid: 116,
  size: 124,
  mtime: 136,
  checksum: 148,
  type: 156,
  linkTarget: 157,
  magic: 257,
  deviceMajor: 329,
  deviceMinor: 337,
  prefix: 345,
} as const;

const TYPE: Readonly<Record<TarHeader['type'], string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/** `length - 1` digits and a NUL; zero if the value has more. */
function writeOctal(block: Buffer, at: number, length: number, value: number): void {
  let rest = fitsOctal(value, length) ? value : 0;
  for (let i = at + length - 2; i >= at; i--) {
    block[i] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
  block[at + length - 1] = 0;
}

function fitsOctal(value: number, length: number): boolean {
  return value >= 0 && value < 8 ** (length - 1);
}

function fitsAscii(name: string): boolean {
  return name.length <= NAME_LENGTH && !NOT_ASCII.test(name);
}

const NOT_ASCII = /[\u0080-\u00ff]/;

function toAscii(name: string): string {
  return name.replace(/[\u0080-\u00ff]/g, '');
}

/** Some readers take a file for a directory if the cut name ends in a slash: a NUL ends it before. */
function withoutSlashAtCut(name: string): string {
  const cut = name.slice(0, NAME_LENGTH);
  return name.length > NAME_LENGTH && cut.endsWith('/') ? cut.replace(/\/(\/*)$/, '\0$1') : name;
}

/** Where ustar splits an ASCII path of more than 100 bytes in prefix and name, or undefined if it cannot. */
function splitUstarPath(path: string): [prefix: string, name: string] | undefined {
  if (path.length <= NAME_LENGTH || NOT_ASCII.test(path)) return undefined;
  const end = path.length > PREFIX_LENGTH + 1 ? PREFIX_LENGTH + 1 : path.endsWith('/') ? path.length - 1 : path.length;
  const slash = path.lastIndexOf('/', end - 1);
  const nameLength = path.length - slash - 1;
  if (slash <= 0 || nameLength > NAME_LENGTH || nameLength === 0 || slash > PREFIX_LENGTH) return undefined;
  return [path.slice(0, slash), path.slice(slash + 1)];
}

function cannotSay(header: TarHeader, what: string): BuildError {
  return new BuildError(
    'TAR_UNSUPPORTED',
    `${JSON.stringify(toText(header.path))} cannot be written to a tar archive: ${what}`,
    {
      facts: { path: toText(header.path) },
    },
  );
}
