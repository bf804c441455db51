import {
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  type BigIntStats,
} from 'node:fs';
import type { ByteString } from '../byteString.ts';
import { toBytes, toFsPath } from '../byteString.ts';
import { hasErrno } from '../errors.ts';
import { makeFifo, makeNode, splitDeviceNumber } from '../linux/mknod.ts';
import { setTimes } from '../linux/times.ts';
import { readXattrs, setXattr } from '../linux/xattr.ts';
import { timestampOf } from './diskEntry.ts';

/** Files with several names that were copied, by device and inode, and where the first of them is now. */
export type CopiedLinks = Map<string, ByteString>;

/**
 * Moves a file or directory to a path where nothing is, with owner, mode, times, xattrs and links. Renames where the file system does
 * that; what it can't rename (another file system, a directory of an overlay's lower layer) is moved piece by piece: at any moment each
 * file is whole in one of the two places.
 */
export function moveTree(from: ByteString, to: ByteString, links: CopiedLinks = new Map()): void {
  try {
    renameSync(toFsPath(from), toFsPath(to));
    return;
  } catch (error) {
    if (!hasErrno(error, 'EXDEV')) throw error;
  }
  const stat = lstatSync(toFsPath(from), { bigint: true });
  if (!stat.isDirectory()) {
    copyNode(from, to, stat, links);
    unlinkSync(toFsPath(from));
    return;
  }
  mkdirSync(toFsPath(to), 0o700);
  for (const name of namesIn(from)) moveTree(inside(from, name), inside(to, name), links);
  copyAttributes(from, to, stat);
  rmdirSync(toFsPath(from));
}

/** Copies a file or directory to a path where nothing is, as `moveTree` does. */
export function copyTree(from: ByteString, to: ByteString, links: CopiedLinks = new Map()): void {
  const stat = lstatSync(toFsPath(from), { bigint: true });
  if (!stat.isDirectory()) {
    copyNode(from, to, stat, links);
    return;
  }
  mkdirSync(toFsPath(to), 0o700);
  for (const name of namesIn(from)) copyTree(inside(from, name), inside(to, name), links);
  copyAttributes(from, to, stat);
}

/** Owner, mode, xattrs and times; what the target's file system refuses is left out. */
export function copyAttributes(from: ByteString, to: ByteString, stat: BigIntStats): void {
  const target = toFsPath(to);
  tolerate(() => lchownSync(target, Number(stat.uid), Number(stat.gid)));
  if (!stat.isSymbolicLink()) tolerate(() => chmodSync(target, Number(stat.mode & 0o7777n)));
  for (const [name, value] of readXattrs(toFsPath(from))) tolerate(() => setXattr(target, name, value));
  setTimes(target, timestampOf(stat.mtimeNs));
}

export function namesIn(directory: ByteString): ByteString[] {
  return readdirSync(toFsPath(directory), 'latin1') as ByteString[];
}

export function inside(directory: ByteString, name: string): ByteString {
  return (directory.endsWith('/') ? `${directory}${name}` : `${directory}/${name}`) as ByteString;
}

function copyNode(from: ByteString, to: ByteString, stat: BigIntStats, links: CopiedLinks): void {
  const key = `${stat.dev}:${stat.ino}`;
  const first = stat.nlink > 1n ? links.get(key) : undefined;
  if (first !== undefined) {
    linkSync(toFsPath(first), toFsPath(to));
    return;
  }
  const target = toFsPath(to);
  if (stat.isFile()) copyFileSync(toFsPath(from), target, constants.COPYFILE_EXCL);
  else if (stat.isSymbolicLink()) symlinkSync(toBytes(readlinkSync(toFsPath(from), 'latin1') as ByteString), target);
  else if (stat.isFIFO()) makeFifo(target, 0o600);
  else if (stat.isCharacterDevice() || stat.isBlockDevice()) {
    makeNode(target, stat.isBlockDevice() ? 'block' : 'character', 0o600, splitDeviceNumber(stat.rdev));
  } else throw new Error(`a socket can't be copied to another file system: ${target.toString()}`);
  if (stat.nlink > 1n) links.set(key, to);
  copyAttributes(from, to, stat);
}

function tolerate(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!hasErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL')) throw error;
  }
}
