import { closeSync, constants, openSync, readSync } from 'node:fs';
import { hasErrno } from '../errors.ts';
import type { Change, Changes } from '../tree/change.ts';
import { isUnchanged, type Entry } from '../tree/entry.ts';
import { ancestorsOf, compareTreePaths } from '../tree/path.ts';
import type { NodeId, Tree, TreePath } from '../tree/tree.ts';
import type { Candidate, PresentCandidate } from './candidate.ts';
import type { CompareContents } from './rootfs.ts';

/**
 * Candidates that differ from the tree below, as changes:
 * - a directory's mtime alone is no change, as in BuildKit; any other file's is;
 * - times are equal if the seconds are and one of them has no nanoseconds, as tars may cut them off;
 * - content is looked at only where all else is equal;
 * - of a file with several names, all names that are candidates come or none does;
 * - the directories above a change come along as they are now.
 */
export async function changesFrom(
  candidates: readonly Candidate[],
  below: Tree,
  compareContents: CompareContents,
): Promise<Changes> {
  const nodes = new Map<TreePath, NodeId | undefined>();
  const nodeAt = (path: TreePath): NodeId | undefined => {
    if (path === '') return below.root;
    if (nodes.has(path)) return nodes.get(path);
    const slash = path.lastIndexOf('/');
    const parent = nodeAt((slash < 0 ? '' : path.slice(0, slash)) as TreePath);
    const node = parent === undefined ? undefined : below.child(parent, path.slice(slash + 1) as TreePath);
    nodes.set(path, node);
    return node;
  };
  const present = new Map<TreePath, PresentCandidate>();
  const groups = new Map<string, PresentCandidate[]>();
  const doubtful: PresentCandidate[] = [];
  const changed = new Set<TreePath>();
  const changes: Change[] = [];
  for (const candidate of candidates) {
    const node = nodeAt(candidate.path);
    if (candidate.kind === 'gone') {
      if (node !== undefined) changes.push({ kind: 'remove', path: candidate.path });
      continue;
    }
    present.set(candidate.path, candidate);
    if (candidate.entry.type === 'file') append(groups, candidate.inode, candidate);
    if (node === undefined || !isUnchanged(below.entry(node), candidate.entry)) changed.add(candidate.path);
    else if (candidate.entry.type === 'file' && candidate.entry.size > 0) doubtful.push(candidate);
  }
  const same = doubtful.length === 0 ? [] : await compareContents(doubtful);
  for (const [index, candidate] of doubtful.entries()) {
    if (same[index] !== true) changed.add(candidate.path);
  }
  rejoin(groups, changed, (path) => {
    const node = nodeAt(path);
    return node === undefined ? undefined : below.inode(node);
  });
  for (const candidate of present.values()) {
    if (candidate.entry.type !== 'file' && changed.has(candidate.path)) {
      changes.push({ kind: 'put', path: candidate.path, entry: candidate.entry });
    }
  }
  for (const names of groups.values()) {
    if (!isChanged(names, changed, nodeAt, below)) continue;
    const [first, ...others] = names.toSorted((a, b) => compareTreePaths(a.path, b.path));
    if (first === undefined) continue;
    const { entry, disk } = first;
    changes.push({ kind: 'put', path: first.path, entry, content: { kind: 'disk', path: disk } });
    for (const { path } of others) changes.push({ kind: 'link', path, target: first.path, entry });
  }
  return withAncestors(changes, (path) => {
    const candidate = present.get(path);
    if (candidate !== undefined) return candidate.entry;
    const node = nodeAt(path);
    return node === undefined ? undefined : below.entry(node);
  });
}

/** All names together: if one changed, or if they were not the same file before. */
function isChanged(
  names: readonly PresentCandidate[],
  changed: ReadonlySet<TreePath>,
  nodeAt: (path: TreePath) => NodeId | undefined,
  below: Tree,
): boolean {
  if (names.some(({ path }) => changed.has(path))) return true;
  if (names.length === 1) return false;
  const inodes = names.map(({ path }) => {
    const node = nodeAt(path);
    return node === undefined ? undefined : below.inode(node);
  });
  return new Set(inodes).size > 1;
}

/**
 * An overlay without an index gives each name of a hard link a file of its own when it is written to or chmod'ed. Names that
 * were one file and still look and read the same are one file again.
 */
function rejoin(
  groups: Map<string, PresentCandidate[]>,
  changed: ReadonlySet<TreePath>,
  inodeBelow: (path: TreePath) => number | undefined,
): void {
  const former = new Map<number, string[]>();
  for (const [inode, names] of groups) {
    const [first] = names;
    if (first === undefined || !changed.has(first.path)) continue;
    const before = inodeBelow(first.path);
    if (before !== undefined) append(former, before, inode);
  }
  for (const inodes of former.values()) {
    const kept: string[] = [];
    for (const inode of inodes) {
      const names = groups.get(inode) ?? [];
      const into = kept.find((other) => sameFile(groups.get(other)?.[0], names[0]));
      if (into === undefined) {
        kept.push(inode);
        continue;
      }
      groups.get(into)?.push(...names);
      groups.delete(inode);
    }
  }
}

function sameFile(a: PresentCandidate | undefined, b: PresentCandidate | undefined): boolean {
  return a !== undefined && b !== undefined && isUnchanged(a.entry, b.entry) && sameContent(a.disk, b.disk);
}

const CHUNK = 256 * 1024;

/** Whether two regular files on disk hold the same bytes; false if one of them is gone or no regular file. */
export function sameContent(a: string | Buffer, b: string | Buffer): boolean {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const descriptors: number[] = [];
  try {
    for (const path of [a, b]) descriptors.push(openSync(path, flags));
    const [first = -1, second = -1] = descriptors;
    const left = Buffer.allocUnsafe(CHUNK);
    const right = Buffer.allocUnsafe(CHUNK);
    for (;;) {
      const length = readFull(first, left);
      if (readFull(second, right) !== length) return false;
      if (left.compare(right, 0, length, 0, length) !== 0) return false;
      if (length < CHUNK) return true;
    }
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ELOOP', 'ENXIO', 'EISDIR')) return false;
    throw error;
  } finally {
    for (const descriptor of descriptors) closeSync(descriptor);
  }
}

function readFull(descriptor: number, buffer: Buffer): number {
  let length = 0;
  while (length < buffer.length) {
    const read = readSync(descriptor, buffer, length, buffer.length - length, null);
    if (read === 0) break;
    length += read;
  }
  return length;
}

function withAncestors(changes: Change[], entryAt: (path: TreePath) => Entry | undefined): Changes {
  const put = new Set<TreePath>();
  for (const change of changes) if (change.kind === 'put' || change.kind === 'link') put.add(change.path);
  const ancestors: Change[] = [];
  for (const change of changes) {
    for (const path of ancestorsOf(change.path)) {
      if (put.has(path)) continue;
      put.add(path);
      const entry = entryAt(path);
      if (entry !== undefined) ancestors.push({ kind: 'put', path, entry });
    }
  }
  return [...changes, ...ancestors].sort((a, b) => compareTreePaths(a.path, b.path));
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
