import {
  chmodSync,
  copyFileSync,
  constants,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { fromText, toBytes, toFsPath, type ByteString } from '../byteString.ts';
import { hasErrno } from '../errors.ts';
import type { Layer } from '../image/image.ts';
import { makeFifo, makeNode } from '../linux/mknod.ts';
import { giveTo } from '../linux/owner.ts';
import { setTimes } from '../linux/times.ts';
import type { Change, Changes } from '../tree/change.ts';
import type { Entry } from '../tree/entry.ts';
import type { TreePath } from '../tree/tree.ts';
import { extractFiles } from './extractFiles.ts';
import { applyAttributes, applyXattrs } from './layerDirectoryWriter.ts';

type Put = Extract<Change, { kind: 'put' }>;

export type RefusedAttribute = 'owner' | 'mode' | 'xattrs';

export interface ApplyOptions {
  /** Takes a path away, with all that is below it. Default: as `rm -rf`, into mounts too. */
  readonly remove?: (path: TreePath) => void;
  /** Told of what this process may not set, or the file system does not have. Default: owner and mode are errors, xattrs are left out. */
  readonly onRefused?: (path: TreePath, attribute: RefusedAttribute) => void;
}

/**
 * Makes changes real in a directory that holds the tree below them. Parents come before children in changes, and every one of
 * them is a real directory by then, so no link is ever followed.
 * @param readBlob for contents that lie in layers; each layer is read once
 */
export async function applyChanges(
  changes: Changes,
  directory: string,
  readBlob: (layer: Layer) => AsyncIterable<Uint8Array>,
  options: ApplyOptions = {},
): Promise<void> {
  const root = fromText(directory);
  const at = (path: TreePath): string | Buffer => toFsPath(`${root}/${path}` as ByteString);
  const remove = options.remove ?? ((path: TreePath) => rmSync(at(path), { recursive: true, force: true }));
  const wanted = new Map<Layer, Map<number, string | Buffer>>();
  const copies: { readonly from: Put; readonly to: Put }[] = [];
  const firstOf = new Map<string, Put>();
  const settled: Put[] = [];
  const links: Extract<Change, { kind: 'link' }>[] = [];
  for (const change of changes) {
    if (change.kind === 'opaque') throw new Error('an opaque directory is not a change of a real one');
    if (change.kind === 'remove') remove(change.path);
    else if (change.kind === 'link') links.push(change);
    else {
      if (isInTheWay(at(change.path), change.entry)) remove(change.path);
      settled.push(change);
      const { content } = change;
      if (change.entry.type !== 'file' || change.entry.size === 0 || content?.kind !== 'layer') {
        create(at(change.path), change);
        continue;
      }
      const key = `${content.layer.diffId}:${content.offset}`;
      const first = firstOf.get(key);
      if (first !== undefined) {
        copies.push({ from: first, to: change });
        continue;
      }
      firstOf.set(key, change);
      const files = wanted.get(content.layer) ?? new Map<number, string | Buffer>();
      wanted.set(content.layer, files);
      files.set(content.offset, at(change.path));
    }
  }
  for (const [layer, files] of wanted) await extractFiles(readBlob(layer), layer, files);
  for (const { from, to } of copies) copyFileSync(at(from.path), at(to.path), constants.COPYFILE_EXCL);
  for (const { path, target } of links) {
    remove(path);
    linkSync(at(target), at(path));
  }
  // Directories last: what is put into one changes its time.
  for (const { path, entry } of settled.toReversed()) {
    const isDevice = entry.type === 'character' || entry.type === 'block';
    if (isDevice && lstatSync(at(path), { throwIfNoEntry: false }) === undefined) continue;
    if (options.onRefused !== undefined) applyPossible(at(path), path, entry, options.onRefused);
    else if (entry.type !== 'symlink') applyAttributes(at(path), entry);
    else {
      giveTo(at(path), entry.uid, entry.gid);
      setTimes(at(path), entry.mtime);
    }
  }
}

function isInTheWay(path: string | Buffer, entry: Entry): boolean {
  const existing = lstatSync(path, { throwIfNoEntry: false });
  return existing !== undefined && !(existing.isDirectory() && entry.type === 'directory');
}

function applyPossible(
  disk: string | Buffer,
  path: TreePath,
  entry: Entry,
  onRefused: (path: TreePath, attribute: RefusedAttribute) => void,
): void {
  const tryTo = (attribute: RefusedAttribute, apply: () => void): void => {
    try {
      apply();
    } catch (error) {
      if (!hasErrno(error, 'EPERM', 'EINVAL')) throw error;
      onRefused(path, attribute);
    }
  };
  tryTo('owner', () => lchownSync(disk, entry.uid, entry.gid));
  if (entry.type !== 'symlink') {
    tryTo('mode', () => chmodSync(disk, entry.mode));
    if (!applyXattrs(disk, entry)) onRefused(path, 'xattrs');
  }
  setTimes(disk, entry.mtime);
}

/** Everything but owner, mode, xattrs and time. */
function create(path: string | Buffer, { entry, content }: Put): void {
  switch (entry.type) {
    case 'directory':
      mkdirSync(path, { recursive: true, mode: 0o700 });
      return;
    case 'symlink':
      symlinkSync(toBytes(entry.linkTarget), path);
      return;
    case 'fifo':
      makeFifo(path, 0o600);
      return;
    case 'character':
    case 'block':
      try {
        makeNode(path, entry.type, 0o600, { major: entry.deviceMajor, minor: entry.deviceMinor });
      } catch (error) {
        // A user namespace may make no devices; the tree has it all the same.
        if (!hasErrno(error, 'EPERM')) throw error;
      }
      return;
    case 'file':
      if (content?.kind === 'disk') copyFileSync(content.path, path, constants.COPYFILE_EXCL);
      else if (content?.kind === 'bytes') writeFileSync(path, content.bytes, { flag: 'wx', mode: 0o600 });
      else writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
  }
}
