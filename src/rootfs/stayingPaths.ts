import { lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { fromText, toFsPath, toText, type ByteString } from '../byteString.ts';
import { hasErrno } from '../errors.ts';
import { readMounts } from '../linux/mountinfo.ts';
import { ancestorsOf, cleanTreePath, componentsOf } from '../tree/path.ts';
import type { TreePath } from '../tree/tree.ts';

/** What a container needs whether it is mounted or not. */
const SYSTEM = ['proc', 'sys', 'dev'] as TreePath[];

/**
 * Paths of a root that stay what they are while everything else there is an image's: exact names, and all that is below them.
 * Directories that hold them stay too, and so do those in which processes are at work, with nothing in them.
 */
export class StayingPaths {
  /** Topmost only. */
  readonly paths: ReadonlySet<TreePath>;
  readonly #holders = new Set<TreePath>(['' as TreePath]);

  /** @param directories that stay without what is in them */
  constructor(paths: Iterable<TreePath>, directories: Iterable<TreePath> = []) {
    const all = new Set(paths);
    all.delete('' as TreePath);
    this.paths = new Set([...all].filter((path) => !ancestorsOf(path).some((ancestor) => all.has(ancestor))));
    for (const path of this.paths) for (const ancestor of ancestorsOf(path)) this.#holders.add(ancestor);
    for (const path of directories) {
      if (!this.covers(path)) for (const holder of [...ancestorsOf(path), path]) this.#holders.add(holder);
    }
  }

  /** Whether the path itself is one of them; for walks, which do not enter what stays. */
  has(path: TreePath): boolean {
    return this.paths.has(path);
  }

  /** Whether the path is one of them, or below one. */
  covers(path: TreePath): boolean {
    return this.paths.has(path) || ancestorsOf(path).some((ancestor) => this.paths.has(ancestor));
  }

  /** Whether the path stays a directory, because one of them is below it or a process is at work there. */
  holds(path: TreePath): boolean {
    return this.#holders.has(path);
  }

  /** The directories that hold them, outermost first, the root included. */
  holders(): TreePath[] {
    return [...this.#holders].sort((a, b) => a.length - b.length);
  }

  with(paths: Iterable<TreePath>): StayingPaths {
    return new StayingPaths([...this.paths, ...paths], this.#holders);
  }
}

/**
 * The mounts of this process below `root`, the directories that the kernel shows itself in, and `own`, directories of kasane given
 * absolute.
 */
export function findStayingPaths(root: string, own: readonly string[]): StayingPaths {
  const paths = [...mountPoints(root), ...SYSTEM, ...own.flatMap((path) => placesOf(path, root))];
  return new StayingPaths(paths, workingDirectories(root));
}

/** Of all processes here: a shell whose directory was replaced by one of the same name would be nowhere. */
function workingDirectories(root: string): TreePath[] {
  const found = new Set<TreePath>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const path = readlinkSync(`/proc/${name}/cwd`, 'latin1') as ByteString;
      const inside = insideOf(toText(path), root);
      const stat = inside === undefined ? undefined : lstatSync(toFsPath(path), { throwIfNoEntry: false });
      if (inside !== undefined && stat?.isDirectory() === true) found.add(inside);
    } catch (error) {
      if (!hasErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) throw error;
    }
  }
  return [...found];
}

/** Where file systems are mounted below `root` now. */
export function mountPoints(root: string): TreePath[] {
  const prefix = prefixOf(root);
  return readMounts().flatMap(({ target }) =>
    target.startsWith(prefix) && target.length > prefix.length ? [cleanTreePath(target.slice(prefix.length))] : [],
  );
}

/** Whether a path lies on the file system that `root` is on: no mount in between. */
export function liesOnRoot(path: string, root: string): boolean {
  const inside = insideOf(realpathSync(path), root);
  return inside !== undefined && !new StayingPaths(mountPoints(root)).covers(inside);
}

/** A path as it really is, and every link that leads to it. */
function placesOf(path: string, root: string): TreePath[] {
  const places: TreePath[] = [];
  const add = (found: string): void => {
    const inside = insideOf(found, root);
    if (inside !== undefined && inside !== '') places.push(inside);
  };
  let at = '' as ByteString;
  for (const name of componentsOf(fromText(path))) {
    at = `${at}/${name}` as ByteString;
    if (lstatSync(toFsPath(at), { throwIfNoEntry: false })?.isSymbolicLink() === true) add(toFsPath(at).toString());
  }
  try {
    add(realpathSync(path));
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    add(path);
  }
  return places;
}

function insideOf(path: string, root: string): TreePath | undefined {
  const bytes = fromText(path);
  const prefix = prefixOf(root);
  if (bytes === fromText(root)) return '' as TreePath;
  return bytes.startsWith(prefix) ? cleanTreePath(bytes.slice(prefix.length)) : undefined;
}

function prefixOf(root: string): ByteString {
  return fromText(root === '/' ? '/' : `${root}/`);
}
