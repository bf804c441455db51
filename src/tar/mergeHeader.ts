import type { ByteString } from '../byteString.ts';
import { fromBytes, toText } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import type { HeaderBlock } from './block.ts';
import type { TarHeader, Timestamp, Xattrs } from './header.ts';
import { NO_XATTRS } from './header.ts';
import { invalidTar } from './invalidTar.ts';
import type { TarLimits } from './limits.ts';
import type { PaxRecords } from './pax.ts';
import { parsePaxInteger, parsePaxTime, SPARSE_MAP } from './pax.ts';
import type { PaxScope } from './paxScope.ts';

export interface MergedHeader {
  /** Its `size` is that of the unfolded file where `sparse` is set. */
  readonly header: TarHeader;
  /** Bytes of the entry in the archive, without padding. */
  readonly stored: number;
  /** A PAX sparse file; without `map` the map stands before the data (format 1.0). */
  readonly sparse?: { readonly map?: ByteString };
}

/**
 * One entry from its block and the extended headers before it, with Go's order of precedence: GNU long name, PAX, block.
 * @throws BuildError `TAR_INVALID`, and `TAR_UNSUPPORTED` for a type of entry that no file has
 */
export function mergeHeader(block: HeaderBlock, pax: PaxScope, offset: number): MergedHeader {
  const records = pax.records();
  const text = (key: string): ByteString | undefined => records.get(key) || undefined;
  const integer = (key: string, fallback: number): number => {
    const value = text(key);
    return value === undefined ? fallback : parsePaxInteger(key, value);
  };
  const archivePath = pax.longName ?? text('path') ?? block.path;
  const type = typeOf(block, archivePath);
  const stored = HAS_DATA.has(block.type) || (type === 'file' && block.type === 0) ? integer('size', block.size) : 0;
  const sparse = type === 'file' ? sparseOf(records) : undefined;
  const realName = sparse === undefined ? undefined : text('GNU.sparse.name');
  const header: TarHeader = {
    type,
    path: withoutTrailingSlash(realName ?? archivePath),
    mode: block.mode & 0o7777,
    uid: integer('uid', block.uid),
    gid: integer('gid', block.gid),
    size: type !== 'file' ? 0 : sparse === undefined ? stored : sparse.size,
    mtime: timeOf(text('mtime'), block.mtime),
    linkTarget:
      type === 'symlink' || type === 'hardlink' ? (pax.longLink ?? text('linkpath') ?? block.linkTarget) : EMPTY,
    deviceMajor: type === 'character' || type === 'block' ? block.deviceMajor : 0,
    deviceMinor: type === 'character' || type === 'block' ? block.deviceMinor : 0,
    xattrs: records.size === 0 ? NO_XATTRS : xattrsOf(records),
  };
  verify(header, stored, pax.limits, offset);
  return { header, stored, ...(sparse === undefined ? {} : { sparse }) };
}

const EMPTY = '' as ByteString;
const MAX_ID = 0xffff_fffe;

const TYPES: Readonly<Record<string, TarHeader['type']>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
  S: 'file',
};

/** The types after whose header data may stand; the byte 0 depends on the name. */
const HAS_DATA = new Set(['0', '7', 'S'].map((character) => character.charCodeAt(0)));

function typeOf(block: HeaderBlock, path: ByteString): TarHeader['type'] {
  const character = String.fromCharCode(block.type);
  const type = TYPES[character];
  if (type === undefined) {
    const kind = KINDS[character] ?? 'an entry of unknown type';
    throw new BuildError(
      'TAR_UNSUPPORTED',
      `the tar archive holds ${kind} (${JSON.stringify(character)}): ${JSON.stringify(toText(path))}`,
      {
        hint: 'Make the archive with `tar --format=pax`, without options for backups of several volumes.',
        facts: { path: toText(path), type: character },
      },
    );
  }
  // Before ustar a directory was a file whose name ends in a slash.
  const isOld = character === '\0' || (character === '0' && block.format === 'v7');
  return isOld && path.endsWith('/') ? 'directory' : type;
}

const KINDS: Readonly<Record<string, string>> = {
  D: 'a directory of an incremental backup',
  M: 'the continuation of a file from another volume',
  N: 'an old GNU list of long names',
  V: 'a volume label',
  X: 'a Solaris extended header',
};

function withoutTrailingSlash(path: ByteString): ByteString {
  if (!path.endsWith('/')) return path;
  return (path.replace(/\/+$/, '') || '/') as ByteString;
}

function timeOf(value: ByteString | undefined, seconds: number): Timestamp {
  return value === undefined ? { seconds, nanoseconds: 0 } : parsePaxTime('mtime', value);
}

/** GNU's sparse formats 0.0 and 0.1 (map in a record) and 1.0 (map before the data). */
function sparseOf(records: PaxRecords): { readonly size: number; readonly map?: ByteString } | undefined {
  const map = records.get(SPARSE_MAP) ?? (records.get('GNU.sparse.numblocks') === '0' ? EMPTY : undefined);
  const version = `${records.get('GNU.sparse.major') ?? '0'}.${records.get('GNU.sparse.minor') ?? '0'}`;
  if (version === '1.0') return { size: realSize(records) };
  if (version === '0.0' || version === '0.1') return map === undefined ? undefined : { size: realSize(records), map };
  throw new BuildError(
    'TAR_UNSUPPORTED',
    `the tar archive holds a sparse file in GNU format ${toText(version as ByteString)}`,
  );
}

function realSize(records: PaxRecords): number {
  for (const key of ['GNU.sparse.realsize', 'GNU.sparse.size']) {
    const value = records.get(key);
    if (value !== undefined) return parsePaxInteger(key, value);
  }
  throw invalidTar('a sparse file without its size');
}

const SCHILY_XATTR = 'SCHILY.xattr.';
const LIBARCHIVE_XATTR = 'LIBARCHIVE.xattr.';

function xattrsOf(records: PaxRecords): Xattrs {
  const found = new Map<ByteString, ByteString>();
  for (const [key, value] of records) {
    if (key.startsWith(SCHILY_XATTR)) {
      found.set(key.slice(SCHILY_XATTR.length) as ByteString, value);
    } else if (key.startsWith(LIBARCHIVE_XATTR)) {
      const name = decodePercent(key.slice(LIBARCHIVE_XATTR.length));
      if (!records.has(`${SCHILY_XATTR}${name}`)) found.set(name, fromBytes(Buffer.from(value, 'base64')));
    }
  }
  return found.size === 0 ? NO_XATTRS : found;
}

function decodePercent(text: string): ByteString {
  const decoded = text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return decoded as ByteString;
}

function verify(header: TarHeader, stored: number, limits: TarLimits, offset: number): void {
  const { path, linkTarget, uid, gid, size } = header;
  const fail = (what: string): never => {
    throw invalidTar(`${what} in the header of ${JSON.stringify(toText(path.slice(0, 200) as ByteString))}`, offset);
  };
  if (path.length > limits.pathBytes) fail(`a path of ${path.length} bytes`);
  if (linkTarget.length > limits.pathBytes) fail(`a link target of ${linkTarget.length} bytes`);
  if (!(uid >= 0 && uid <= MAX_ID)) fail(`the user id ${uid}`);
  if (!(gid >= 0 && gid <= MAX_ID)) fail(`the group id ${gid}`);
  if (!(size >= 0) || !(stored >= 0)) fail(`the size ${Math.min(size, stored)}`);
}
