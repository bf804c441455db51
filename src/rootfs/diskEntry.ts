import { lstatSync, readlinkSync, type BigIntStats } from 'node:fs';
import { toFsPath, type ByteString } from '../byteString.ts';
import { hasErrno } from '../errors.ts';
import { splitDeviceNumber } from '../linux/mknod.ts';
import { readXattrs } from '../linux/xattr.ts';
import { NO_XATTRS, type FileType, type Timestamp, type Xattrs } from '../tar/header.ts';
import type { Entry } from '../tree/entry.ts';
import { plainCapability } from '../tree/fileCapability.ts';

const NANOSECONDS = 1_000_000_000n;
const EMPTY = '' as ByteString;

/** A file as it lies on disk. */
export interface DiskFile {
  readonly entry: Entry;
  /** With the marks that overlayfs keeps for itself, which `entry` does not have. */
  readonly xattrs: Xattrs;
  readonly stat: BigIntStats;
}

/** Reads a file's entry without following it. Undefined if it went away, or is a socket, which no image holds. */
export function readDiskFile(path: ByteString): DiskFile | undefined {
  const fsPath = toFsPath(path);
  try {
    const stat = lstatSync(fsPath, { bigint: true });
    const type = typeOf(stat);
    if (type === undefined) return undefined;
    const xattrs = readXattrs(fsPath);
    const device = splitDeviceNumber(type === 'character' || type === 'block' ? stat.rdev : 0n);
    const entry: Entry = {
      type,
      mode: Number(stat.mode & 0o7777n),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      size: type === 'file' ? Number(stat.size) : 0,
      mtime: timestampOf(stat.mtimeNs),
      linkTarget: type === 'symlink' ? (readlinkSync(fsPath, 'latin1') as ByteString) : EMPTY,
      deviceMajor: device.major,
      deviceMinor: device.minor,
      xattrs: recordedXattrs(xattrs),
    };
    return { entry, xattrs, stat };
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function typeOf(stat: BigIntStats): FileType | undefined {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isCharacterDevice()) return 'character';
  if (stat.isBlockDevice()) return 'block';
  if (stat.isFIFO()) return 'fifo';
  return undefined;
}

export function timestampOf(nanoseconds: bigint): Timestamp {
  const rest = ((nanoseconds % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  return { seconds: Number((nanoseconds - rest) / NANOSECONDS), nanoseconds: Number(rest) };
}

/** A layer records file capabilities and what users set; not what the machine's security modules or overlayfs do. */
function recordedXattrs(xattrs: Xattrs): Xattrs {
  if (xattrs.size === 0) return NO_XATTRS;
  const kept = new Map<ByteString, ByteString>();
  for (const [name, value] of xattrs) {
    if (name === 'security.capability') kept.set(name, plainCapability(value));
    else if (name.startsWith('user.') && !name.startsWith('user.overlay.')) kept.set(name, value);
  }
  return kept.size === 0 ? NO_XATTRS : kept;
}
