import { linkSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { fromText, toFsPath, type ByteString } from '../byteString.ts';
import { hasErrno } from '../errors.ts';
import { applyAttributes } from '../layer/layerDirectoryWriter.ts';
import { setTimes } from '../linux/times.ts';
import { ancestorsOf, compareTreePaths, joinTreePath } from '../tree/path.ts';
import type { NodeId, Tree, TreePath } from '../tree/tree.ts';
import type { Timestamp } from '../tar/header.ts';
import type { Candidate, PresentCandidate } from './candidate.ts';
import { timestampOf } from './diskEntry.ts';
import type { lowerFile } from './lowerFile.ts';

export interface RegroupOptions {
  /** The upper directory. */
  readonly upper: string;
  /** Where an overlay with `index=on` keeps a second name of every file it copied up that has several names below. */
  readonly index: string;
  readonly below: Tree;
  readonly lowerFile: (path: ByteString) => ReturnType<typeof lowerFile>;
}

/**
 * A file with several names that is written to through one of them has changed under all, but the upper directory holds only the names
 * that were used. This adds the others: as candidates, and as links in the upper directory, where later commands look.
 * Without an index the kernel splits such a file, and nothing is added.
 */
export function regroupLinks(candidates: readonly Candidate[], options: RegroupOptions): readonly Candidate[] {
  const indexed = indexedFiles(options.index);
  if (indexed.size === 0) return candidates;
  const copiedUp = new Map<number, PresentCandidate>();
  for (const candidate of candidates) {
    if (candidate.kind !== 'present' || candidate.entry.type !== 'file') continue;
    const handle = indexed.get(candidate.inode);
    const node = handle === undefined ? undefined : nodeAt(options.below, candidate.path);
    if (handle === undefined || node === undefined || options.below.entry(node).type !== 'file') continue;
    // Another file may have been moved to this path.
    const lower = options.lowerFile(candidate.path);
    if (lower !== undefined && names(handle, lower.inode)) copiedUp.set(options.below.inode(node), candidate);
  }
  if (copiedUp.size === 0) return candidates;
  const added: Candidate[] = [];
  for (const { path, inode } of untouchedNames(candidates, options.below, new Set(copiedUp.keys()))) {
    const file = copiedUp.get(inode);
    if (file === undefined) continue;
    linkInUpper(file, path, options);
    added.push({ ...file, path });
  }
  return [...candidates, ...added].sort((a, b) => compareTreePaths(a.path, b.path));
}

/** By device and inode number, the index entry's name: the file handle of the file below, in hex. */
function indexedFiles(directory: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of list(directory)) {
    const stat = lstatSync(`${directory}/${name}`, { bigint: true });
    if (stat.isFile()) found.set(`${stat.dev}:${stat.ino}`, name);
  }
  return found;
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** The handles of all file systems that can be below an overlay hold the low half of the inode number. */
function names(handle: string, inode: bigint): boolean {
  const low = Buffer.alloc(4);
  low.writeUInt32LE(Number(inode & 0xffff_ffffn));
  return Buffer.from(handle, 'hex').includes(low);
}

/** Names of the wanted files that the upper directory neither has nor hides. */
function untouchedNames(
  candidates: readonly Candidate[],
  below: Tree,
  wanted: ReadonlySet<number>,
): { path: TreePath; inode: number }[] {
  const touched = new Map(candidates.map((candidate) => [candidate.path, candidate]));
  const found: { path: TreePath; inode: number }[] = [];
  const walk = (directory: NodeId, directoryPath: TreePath): void => {
    for (const name of below.names(directory)) {
      const path = joinTreePath(directoryPath, name);
      const node = below.child(directory, name);
      if (node === undefined) continue;
      const touch = touched.get(path);
      const { type } = below.entry(node);
      if (type === 'directory') {
        if (touch === undefined || (touch.kind === 'present' && touch.entry.type === 'directory')) walk(node, path);
      } else if (type === 'file' && touch === undefined && wanted.has(below.inode(node))) {
        found.push({ path, inode: below.inode(node) });
      }
    }
  };
  walk(below.root, '' as TreePath);
  return found;
}

function linkInUpper({ disk }: PresentCandidate, path: TreePath, { upper, below }: RegroupOptions): void {
  const root = fromText(upper);
  const times: { directory: string | Buffer; mtime: Timestamp }[] = [];
  for (const ancestor of ancestorsOf(path)) {
    const directory = toFsPath(joinTreePath(root, ancestor));
    const stat = lstatSync(directory, { bigint: true, throwIfNoEntry: false });
    const node = nodeAt(below, ancestor);
    if (stat !== undefined) {
      times.push({ directory, mtime: timestampOf(stat.mtimeNs) });
    } else if (node !== undefined) {
      const entry = below.entry(node);
      mkdirSync(directory);
      applyAttributes(directory, entry);
      times.push({ directory, mtime: entry.mtime });
    }
  }
  linkSync(disk, toFsPath(joinTreePath(root, path)));
  for (const { directory, mtime } of times) setTimes(directory, mtime);
}

function nodeAt(tree: Tree, path: TreePath): NodeId | undefined {
  let node: NodeId | undefined = tree.root;
  for (const name of path.split('/') as ByteString[]) {
    node = node === undefined ? undefined : tree.child(node, name);
  }
  return node;
}
