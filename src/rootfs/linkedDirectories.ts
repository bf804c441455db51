import { lstatSync, readlinkSync, renameSync, rmdirSync, rmSync, symlinkSync } from 'node:fs';
import { fromText, toFsPath, type ByteString } from '../byteString.ts';
import { componentsOf, joinTreePath } from '../tree/path.ts';
import { resolvePath } from '../tree/resolve.ts';
import type { NodeId, Tree, TreePath } from '../tree/tree.ts';
import { inside, moveTree, namesIn } from './moveTree.ts';
import type { StayingPaths } from './stayingPaths.ts';

/** A directory on disk, because a mount lies in it, where the image has a link to another directory. */
export interface LinkedDirectory {
  readonly path: TreePath;
  /** What the image's link leads to. */
  readonly target: TreePath;
}

/** `/var/run` with a mount below it, say, where the image has a link to `/run`. */
export function findLinkedDirectories(tree: Tree, stays: StayingPaths): LinkedDirectory[] {
  return stays.holders().flatMap((path) => {
    const node = nodeAt(tree, path);
    if (path === '' || node === undefined || tree.entry(node).type !== 'symlink') return [];
    const target = resolvePath(tree, path);
    if (target.node === undefined || tree.entry(target.node).type !== 'directory') return [];
    return stays.covers(target.path) ? [] : [{ path, target: target.path }];
  });
}

/**
 * Shows in such a directory what the link would have shown, as links of its own. What is there already stays.
 * @param root where the file system is
 */
export function showLinked({ path, target }: LinkedDirectory, root: string, stays: StayingPaths): void {
  const from = inside(fromText(root), target);
  if (!isDirectory(from)) return;
  for (const name of namesIn(from)) {
    const shown = joinTreePath(path, name);
    const disk = toFsPath(inside(fromText(root), shown));
    if (stays.covers(shown) || stays.holds(shown)) continue;
    if (lstatSync(disk, { throwIfNoEntry: false }) === undefined)
      symlinkSync(toFsPath(`/${target}/${name}` as ByteString), disk);
  }
}

/** Moves what a command made in such a directory to where the link would have put it, and removes there what it removed here. */
export function settleLinked(
  { path, target }: LinkedDirectory,
  shown: ReadonlySet<ByteString>,
  root: string,
  stays: StayingPaths,
): void {
  const directory = inside(fromText(root), path);
  const into = inside(fromText(root), target);
  if (!isDirectory(directory) || !isDirectory(into)) return;
  const now = new Set(namesIn(directory));
  for (const name of shown) {
    if (!now.has(name)) rmSync(toFsPath(inside(into, name)), { recursive: true, force: true });
  }
  for (const name of now) {
    const there = joinTreePath(path, name);
    if (stays.covers(there) || stays.holds(there) || isOwnLink(inside(directory, name), target, name)) continue;
    merge(inside(directory, name), inside(into, name));
  }
}

/** The names that `showLinked` made and that are still what it made. */
export function shownNames({ path, target }: LinkedDirectory, root: string): Set<ByteString> {
  const directory = inside(fromText(root), path);
  if (!isDirectory(directory)) return new Set();
  return new Set(namesIn(directory).filter((name) => isOwnLink(inside(directory, name), target, name)));
}

function isOwnLink(path: ByteString, target: TreePath, name: ByteString): boolean {
  return (
    lstatSync(toFsPath(path), { throwIfNoEntry: false })?.isSymbolicLink() === true &&
    readlinkSync(toFsPath(path), 'latin1') === `/${target}/${name}`
  );
}

function merge(from: ByteString, to: ByteString): void {
  if (isDirectory(from) && isDirectory(to)) {
    for (const name of namesIn(from)) merge(inside(from, name), inside(to, name));
    rmdirSync(toFsPath(from));
    return;
  }
  if (isDirectory(to)) rmSync(toFsPath(to), { recursive: true, force: true });
  else if (!isDirectory(from)) {
    renameSync(toFsPath(from), toFsPath(to));
    return;
  } else rmSync(toFsPath(to), { force: true });
  moveTree(from, to);
}

function isDirectory(path: ByteString): boolean {
  return lstatSync(toFsPath(path), { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Links are not followed. */
function nodeAt(tree: Tree, path: TreePath): NodeId | undefined {
  let node: NodeId | undefined = tree.root;
  for (const name of componentsOf(path)) node = node === undefined ? undefined : tree.child(node, name);
  return node;
}
