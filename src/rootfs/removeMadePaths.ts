import { lstatSync, rmdirSync, unlinkSync } from 'node:fs';
import type { ByteString } from '../byteString.ts';
import { hasErrno } from '../errors.ts';
import { setTimes } from '../linux/times.ts';
import { ancestorsOf } from '../tree/path.ts';
import type { TreePath } from '../tree/tree.ts';
import { timestampOf } from './diskEntry.ts';
import type { MadePath } from './launchSpec.ts';
import { inRoot } from './mountPoint.ts';

/**
 * Takes back what was made to mount on, newest first, where it is still as it was made, and gives the directories around it the mtime
 * back that they had. Nothing may be at work in `root`. Links that the command put in the way are not followed.
 */
export function removeMadePaths(root: string, made: readonly MadePath[]): void {
  for (const one of made.toReversed()) {
    const path = one.path as TreePath;
    if (!ancestorsOf(path).every((ancestor) => isDirectory(root, ancestor))) continue;
    const parent = inRoot(root, path.slice(0, Math.max(path.lastIndexOf('/'), 0)) as ByteString);
    const now = lstatSync(parent, { bigint: true }).mtimeNs;
    removeIfUnchanged(root, one);
    setTimes(parent, timestampOf(String(now) === one.parentAfter ? BigInt(one.parentBefore) : now));
  }
}

function removeIfUnchanged(root: string, { path, directory }: MadePath): void {
  const disk = inRoot(root, path as ByteString);
  try {
    if (directory) {
      rmdirSync(disk);
      return;
    }
    const stat = lstatSync(disk);
    if (stat.isFile() && stat.size === 0) unlinkSync(disk);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'ENOTEMPTY')) throw error;
  }
}

function isDirectory(root: string, path: TreePath): boolean {
  return lstatSync(inRoot(root, path), { throwIfNoEntry: false })?.isDirectory() === true;
}
