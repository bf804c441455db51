import { readdirSync } from 'node:fs';
import { compareBytes, toFsPath, type ByteString } from '../byteString.ts';
import { BuildError, hasErrno } from '../errors.ts';
import { joinTreePath } from '../tree/path.ts';
import type { NodeId, Tree, TreePath } from '../tree/tree.ts';
import type { Candidate } from './candidate.ts';
import { readDiskFile, type DiskFile } from './diskEntry.ts';

const OVERLAY_PREFIXES = ['trusted.overlay.', 'user.overlay.'] as const;
export type OverlayPrefix = (typeof OVERLAY_PREFIXES)[number];

/**
 * What lies in the upper directory of an overlay, parents first: whiteouts as what is gone, and for a directory that hides what was below
 * (opaque) everything it hides. Sockets count as nothing there.
 */
export function upperCandidates(
  upper: ByteString,
  below: Tree,
  prefix: OverlayPrefix = 'trusted.overlay.',
): Candidate[] {
  const found: Candidate[] = [];
  walk({ upper, below, prefix, found }, '' as TreePath, below.root, false);
  return found;
}

interface Walk {
  readonly upper: ByteString;
  readonly below: Tree;
  readonly prefix: OverlayPrefix;
  readonly found: Candidate[];
}

/** `hidden`: nothing of the directory below shows through. */
function walk(context: Walk, directory: TreePath, belowDirectory: NodeId | undefined, hidden: boolean): void {
  const { upper, below, found } = context;
  const names = namesIn(joinTreePath(upper, directory));
  if (hidden && belowDirectory !== undefined) {
    const here = new Set(names);
    for (const name of below.names(belowDirectory)) {
      if (!here.has(name)) found.push({ kind: 'gone', path: joinTreePath(directory, name) });
    }
  }
  for (const name of names) {
    const path = joinTreePath(directory, name);
    const disk = joinTreePath(upper, path);
    const file = readDiskFile(disk);
    const node = belowDirectory === undefined ? undefined : below.child(belowDirectory, name);
    if (file === undefined || isWhiteout(file, context.prefix)) {
      if (node !== undefined) found.push({ kind: 'gone', path });
      continue;
    }
    const inode = `${file.stat.dev}:${file.stat.ino}`;
    found.push({ kind: 'present', path, entry: file.entry, disk: toFsPath(disk), inode });
    if (file.entry.type !== 'directory') continue;
    if (file.xattrs.has(`${context.prefix}redirect` as ByteString)) {
      throw new BuildError(
        'OVERLAY_REDIRECT',
        `the kernel recorded a renamed directory that can't be read back: ${path}`,
      );
    }
    const sameKind = node !== undefined && below.entry(node).type === 'directory';
    walk(context, path, sameKind ? node : undefined, hidden || isOpaque(file, context.prefix));
  }
}

function namesIn(directory: ByteString): ByteString[] {
  try {
    return (readdirSync(toFsPath(directory), 'latin1') as ByteString[]).sort(compareBytes);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function isWhiteout({ entry, xattrs }: DiskFile, prefix: OverlayPrefix): boolean {
  if (entry.type === 'character') return entry.deviceMajor === 0 && entry.deviceMinor === 0;
  return entry.type === 'file' && entry.size === 0 && xattrs.has(`${prefix}whiteout` as ByteString);
}

function isOpaque({ xattrs }: DiskFile, prefix: OverlayPrefix): boolean {
  return xattrs.get(`${prefix}opaque` as ByteString) === 'y';
}
