/**
 * `/` is borrowed for builds where nothing may be mounted: what the container has there is set aside first and put back at the end,
 * whatever happens in between. All of it is synchronous, so that no end of the process can come in the middle but a kill; and then the
 * journal tells the next start what to do.
 */
import {
  chmodSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fromText, toFsPath, type ByteString } from '../byteString.ts';
import { BuildError, hasErrno } from '../errors.ts';
import { tryLock, waitForLock, type FileLock } from '../linux/fileLock.ts';
import { setTimes } from '../linux/times.ts';
import { cleanTreePath, componentsOf, joinTreePath } from '../tree/path.ts';
import type { TreePath } from '../tree/tree.ts';
import {
  readJournal,
  removeJournal,
  writeJournal,
  type BorrowJournal,
  type JournalDirectory,
} from './borrowJournal.ts';
import { timestampOf } from './diskEntry.ts';
import { copyAttributes, inside, moveTree, namesIn, type CopiedLinks } from './moveTree.ts';
import { forgetSecrets } from './placements.ts';
import { removeOutside } from './removeOutside.ts';
import { findStayingPaths, liesOnRoot, mountPoints, StayingPaths } from './stayingPaths.ts';

export interface BorrowOptions {
  /** A directory of its own in kasane's: the journal, and what is set aside if it lies on the root's file system. */
  readonly directory: string;
  /** kasane's directories, which stay; absolute. While the root is borrowed only root may enter them. */
  readonly own: readonly string[];
  /** Default: `/`. */
  readonly root?: string;
}

/** In the root, where the journal's directory is on another file system: nothing has to be copied then. */
const ASIDE_IN_ROOT = '.kasane-aside';

/** A root that was emptied, but for what stays. */
export class BorrowedRoot {
  readonly stays: StayingPaths;
  readonly #directory: string;
  readonly #journal: BorrowJournal;
  readonly #lock: FileLock;
  #isBack = false;

  private constructor(directory: string, journal: BorrowJournal, lock: FileLock) {
    this.#directory = directory;
    this.#journal = journal;
    this.#lock = lock;
    this.stays = staysOf(journal);
  }

  /**
   * Sets aside what is in the root.
   * @throws BuildError `ROOT_BORROWED` if another build has it
   */
  static borrow(options: BorrowOptions): BorrowedRoot {
    const { directory, own, root = '/' } = options;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const lock = tryLock(join(directory, 'lock'));
    if (lock === undefined) throw new BuildError('ROOT_BORROWED', 'another build in this container is using /');
    try {
      const aside = liesOnRoot(directory, root) ? join(directory, 'aside') : join(root, ASIDE_IN_ROOT);
      const stays = findStayingPaths(root, [...own, directory, aside]);
      const closed = own.filter((path) => existsSync(path)).map((path) => cleanTreePath(fromText(path)));
      const holders = stays.holders().filter((path) => existsSync(toFsPath(inside(fromText(root), path))));
      const journal: BorrowJournal = {
        root,
        aside,
        phase: 'setting-aside',
        stays: [...stays.paths],
        holders: stays.holders(),
        directories: [
          ...holders.map((path) => recordDirectory(path, inside(fromText(root), path))),
          ...(root === '/' ? closed : []).map((path) => recordDirectory(path, `/${path}` as ByteString)),
        ],
      };
      writeJournal(directory, journal);
      setAside(journal, stays);
      const borrowed = { ...journal, phase: 'borrowed' } as const;
      writeJournal(directory, borrowed);
      if (root === '/') for (const path of closed) close(`/${path}` as ByteString);
      return new BorrowedRoot(directory, borrowed, lock);
    } catch (error) {
      const journal = readJournal(directory);
      if (journal !== undefined) putBack(directory, journal);
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** Empties the root again, but for what stays or was mounted since. */
  wipe(): void {
    wipe(this.#journal, this.stays);
    restoreDirectories(this.#journal, (path) => this.stays.holds(path));
  }

  /** Puts back what was there. Safe to call twice. */
  putBack(): void {
    if (this.#isBack) return;
    putBack(this.#directory, this.#journal);
    this.#isBack = true;
    this.#lock[Symbol.dispose]();
  }

  /** Where a file of the root lies now; links on the way are not looked at. */
  whereIs(path: string | Buffer): string | Buffer {
    return toFsPath(this.#whereIs(typeof path === 'string' ? fromText(path) : (path.toString('latin1') as ByteString)));
  }

  #whereIs(path: ByteString): ByteString {
    const { root, aside } = this.#journal;
    const prefix = root === '/' ? '/' : `${fromText(root)}/`;
    if (this.#isBack || !path.startsWith(prefix)) return path;
    const treePath = cleanTreePath(path.slice(prefix.length));
    return this.stays.covers(treePath) ? path : inside(fromText(aside), treePath);
  }

  /** Where the file lies now that a path meant before, links followed as they were then. What does not exist keeps its path. */
  resolve(path: string): string | Buffer {
    if (this.#isBack) return path;
    const names: string[] = [];
    const pending = componentsOf(fromText(path)).toReversed() as string[];
    for (let links = 0, name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (name === '.') continue;
      if (name === '..') {
        names.pop();
        continue;
      }
      const at = toFsPath(this.#whereIs(`/${[...names, name].join('/')}` as ByteString));
      if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true && links++ < MAX_LINKS) {
        const target = readlinkSync(at, 'latin1');
        if (target.startsWith('/')) names.length = 0;
        pending.push(...componentsOf(target).toReversed());
      } else names.push(name);
    }
    return toFsPath(this.#whereIs(`/${names.join('/')}` as ByteString));
  }
}

const MAX_LINKS = 40;

/**
 * Puts a root back that an earlier build borrowed and, having been killed, kept. Waits for one that is still at work.
 * @returns whether there was one
 */
export async function repairRoot(directory: string, signal?: AbortSignal, onWait?: () => void): Promise<boolean> {
  if (readJournal(directory) === undefined) return false;
  const lock = await waitForLock(join(directory, 'lock'), signal, onWait);
  try {
    const journal = readJournal(directory);
    if (journal === undefined) return false;
    putBack(directory, journal);
    forgetSecrets();
    return true;
  } finally {
    lock[Symbol.dispose]();
  }
}

function staysOf({ stays, holders }: BorrowJournal): StayingPaths {
  return new StayingPaths(stays as readonly TreePath[], holders as readonly TreePath[]);
}

function recordDirectory(path: TreePath, disk: ByteString): JournalDirectory {
  const { mode, uid, gid, mtimeNs } = lstatSync(toFsPath(disk), { bigint: true });
  return { path, mode: Number(mode & 0o7777n), uid: Number(uid), gid: Number(gid), mtime: String(mtimeNs) };
}

/** Credentials lie there, and a RUN that is not root's has no business with them. */
function close(directory: ByteString): void {
  try {
    chmodSync(toFsPath(directory), 0o700);
  } catch (error) {
    if (!hasErrno(error, 'EPERM', 'EROFS')) throw error;
  }
}

function setAside({ root, aside }: BorrowJournal, stays: StayingPaths): void {
  rmSync(aside, { recursive: true, force: true });
  mkdirSync(aside, { mode: 0o700 });
  const links: CopiedLinks = new Map();
  const visit = (directory: TreePath): void => {
    for (const name of namesIn(inside(fromText(root), directory))) {
      const path = joinTreePath(directory, name);
      const from = inside(fromText(root), path);
      const to = inside(fromText(aside), path);
      const stat = lstatSync(toFsPath(from), { bigint: true });
      if (stays.has(path)) {
        // So that whoever lists the directory where it is now finds all its names.
        if (stat.isDirectory()) mkdirSync(toFsPath(to));
        else writeFileSync(toFsPath(to), '');
      } else if (stays.holds(path)) {
        mkdirSync(toFsPath(to), 0o700);
        visit(path);
        copyAttributes(from, to, stat);
      } else moveTree(from, to, links);
    }
  };
  visit('' as TreePath);
}

function wipe({ root }: BorrowJournal, stays: StayingPaths): void {
  removeOutside('' as TreePath, root, stays.with(mountPoints(root)));
}

function putBack(directory: string, journal: BorrowJournal): void {
  const { root, aside, phase } = journal;
  const stays = staysOf(journal);
  if (phase === 'borrowed') {
    wipe(journal, stays);
    writeJournal(directory, { ...journal, phase: 'putting-back' });
  }
  if (existsSync(aside)) {
    // A file that is in both places was being copied: it is whole where it came from.
    bringBack({ root, aside, stays, keepsRoot: phase === 'setting-aside', links: new Map() }, '' as TreePath);
    rmSync(aside, { recursive: true, force: true });
  }
  restoreDirectories(journal, () => true);
  removeJournal(directory);
}

interface WayBack {
  readonly root: string;
  readonly aside: string;
  readonly stays: StayingPaths;
  readonly keepsRoot: boolean;
  readonly links: CopiedLinks;
}

function bringBack(way: WayBack, directory: TreePath): void {
  for (const name of namesIn(inside(fromText(way.aside), directory))) {
    const path = joinTreePath(directory, name);
    if (way.stays.has(path)) continue;
    const from = inside(fromText(way.aside), path);
    const to = inside(fromText(way.root), path);
    const stat = lstatSync(toFsPath(from), { bigint: true });
    const there = lstatSync(toFsPath(to), { throwIfNoEntry: false });
    if (stat.isDirectory() && (there?.isDirectory() === true || way.stays.holds(path))) {
      if (there === undefined) mkdirSync(toFsPath(to), 0o700);
      bringBack(way, path);
      copyAttributes(from, to, stat);
      continue;
    }
    if (there !== undefined && way.keepsRoot) continue;
    if (there !== undefined) remove(to, there.isDirectory());
    moveTree(from, to, way.links);
  }
}

function remove(path: ByteString, isDirectory: boolean): void {
  if (isDirectory) rmdirSync(toFsPath(path));
  else unlinkSync(toFsPath(path));
}

/** Deepest first, so that a directory's time is the last thing that changes in it. */
function restoreDirectories({ root, directories }: BorrowJournal, wanted: (path: TreePath) => boolean): void {
  for (const { path, mode, uid, gid, mtime } of directories.toSorted((a, b) => b.path.length - a.path.length)) {
    if (!wanted(path as TreePath)) continue;
    const disk = toFsPath(inside(fromText(root), path));
    try {
      lchownSync(disk, uid, gid);
      chmodSync(disk, mode);
      setTimes(disk, timestampOf(BigInt(mtime)));
    } catch (error) {
      if (!hasErrno(error, 'EPERM', 'EROFS', 'ENOENT')) throw error;
    }
  }
}
