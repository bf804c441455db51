import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fromText, toFsPath, toText, type ByteString } from '../byteString.ts';
import { BuildError, hasErrno } from '../errors.ts';
import { setTimes } from '../linux/times.ts';
import { ancestorsOf, parentOf } from '../tree/path.ts';
import type { TreePath } from '../tree/tree.ts';
import { timestampOf } from './diskEntry.ts';
import type { MadePath } from './launchSpec.ts';
import { MountPointError, placeMountPoint, type MountPointKind } from './mountPoint.ts';
import { copyTree, inside, moveTree } from './moveTree.ts';
import { removeMadePaths } from './removeMadePaths.ts';
import type { PlacedFile, RootfsMount } from './rootfs.ts';
import type { StayingPaths } from './stayingPaths.ts';

export interface PlacementOptions {
  /** Where a root file system is that nothing is at work in. */
  readonly root: string;
  readonly stays: StayingPaths;
  /** For what is in the way meanwhile. */
  readonly aside: string;
  /** Where a tmpfs is, for secrets. Default: `/dev/shm`, if it is one. */
  readonly memory?: string;
}

/** What one command finds in the root beside the image's own: renamed or copied to its place, because nothing can be mounted. */
export class Placements implements Disposable {
  readonly #options: PlacementOptions;
  /** What takes them back, in the order in which they were placed. */
  readonly #undo: (() => void)[] = [];
  #count = 0;

  constructor(options: PlacementOptions) {
    this.#options = options;
    mkdirSync(options.aside, { recursive: true, mode: 0o700 });
  }

  /** A file whose place is a mount of the container is there already. @throws BuildError `ROOTFS_UNUSABLE` */
  placeFile({ path, content, mode }: PlacedFile): void {
    const target = this.#find(path, 'file');
    if (this.#options.stays.covers(target)) return;
    this.#replace(target, (disk) => {
      writeNew(disk, content, { mode, uid: 0, gid: 0 });
      return remove;
    });
  }

  /** @throws BuildError `ROOTFS_UNUSABLE`, `MOUNT_IMPOSSIBLE` where a mount of the container is in the way */
  placeMount(mount: RootfsMount): void {
    const kind = mount.kind === 'tmpfs' ? 'directory' : mount.kind === 'secret' ? 'file' : kindOf(mount.source);
    const target = this.#find(mount.target, kind);
    const { stays } = this.#options;
    if (stays.has(target) || stays.holds(target)) {
      throw new BuildError(
        'MOUNT_IMPOSSIBLE',
        `--mount with target ${mount.target}: a mount of this container is ${stays.has(target) ? 'there' : 'in it'}`,
        { hint: 'Choose another target, or build where namespaces are allowed.' },
      );
    }
    this.#replace(target, (disk) => this.#fill(mount, disk));
  }

  /** Takes back all that was placed, the last first, whatever the command made of it. Nothing may be at work in the root. */
  [Symbol.dispose](): void {
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) undo();
  }

  #find(target: string, kind: MountPointKind): TreePath {
    const { root } = this.#options;
    const made: MadePath[] = [];
    this.#undo.push(() => removeMadePaths(root, made));
    try {
      return placeMountPoint(root, target, kind, { made, closed: ['proc', 'sys'] });
    } catch (error) {
      if (error instanceof MountPointError) throw new BuildError('ROOTFS_UNUSABLE', error.message, { cause: error });
      throw error;
    }
  }

  /** @param fill puts something where nothing is now, and gives what takes it away */
  #replace(target: TreePath, fill: (disk: ByteString) => (disk: ByteString) => void): void {
    const root = fromText(this.#options.root);
    const disk = inside(root, target);
    const parent = inside(root, parentOf(target));
    const aside = inside(fromText(this.#options.aside), String(this.#count++));
    const mtime = mtimeOf(parent);
    moveTree(disk, aside);
    let takeAway: ((disk: ByteString) => void) | undefined;
    this.#undo.push(() => {
      // The command may have removed the directory, or put something else in its place.
      const isThere = ancestorsOf(target).every((path) => isDirectory(inside(root, path)));
      if (!isThere) {
        remove(aside);
        return;
      }
      const before = mtimeOf(parent);
      takeAway?.(disk);
      if (lstatSync(toFsPath(disk), { throwIfNoEntry: false }) !== undefined) remove(disk);
      moveTree(aside, disk);
      setTimes(toFsPath(parent), timestampOf(before));
    });
    takeAway = fill(disk);
    setTimes(toFsPath(parent), timestampOf(mtime));
  }

  #fill(mount: RootfsMount, disk: ByteString): (disk: ByteString) => void {
    switch (mount.kind) {
      case 'bind':
        return fillWithSource(fromText(mount.source), disk);
      case 'scratch-copy':
        copyTree(fromText(mount.source), disk);
        return remove;
      case 'tmpfs':
        mkdirSync(toFsPath(disk));
        chmodSync(toFsPath(disk), mount.mode);
        return remove;
      case 'secret':
        return this.#fillWithSecret(mount, disk);
    }
  }

  /** On a tmpfs with a link to it, so that it is on no disk; where there is none, overwritten afterwards. */
  #fillWithSecret(secret: RootfsMount & { kind: 'secret' }, disk: ByteString): (disk: ByteString) => void {
    const { memory = MEMORY } = this.#options;
    if (!isTmpfs(memory)) {
      writeNew(disk, secret.content, secret);
      return (path) => {
        overwrite(path, secret.content.length);
        remove(path);
      };
    }
    const directory = mkdtempSync(join(memory, SECRET_PREFIX));
    chmodSync(directory, 0o755);
    const file = join(directory, 'secret');
    writeNew(fromText(file), secret.content, secret);
    symlinkSync(file, toFsPath(disk));
    lchownSync(toFsPath(disk), secret.uid, secret.gid);
    // Also if the place of the link is gone.
    this.#undo.push(() => rmSync(directory, { recursive: true, force: true }));
    return remove;
  }
}

const MEMORY = '/dev/shm';
const SECRET_PREFIX = 'kasane-secret-';

/** Removes secrets that a killed build left in memory. */
export function forgetSecrets(memory = MEMORY): void {
  if (!existsSync(memory)) return;
  for (const name of readdirSync(memory)) {
    if (name.startsWith(SECRET_PREFIX)) rmSync(join(memory, name), { recursive: true, force: true });
  }
}

/** A cache goes back to where it came from, and so does the copy that a bind mount is, which is thrown away there. */
function fillWithSource(source: ByteString, disk: ByteString): (disk: ByteString) => void {
  const stat = lstatSync(toFsPath(source));
  if (stat.isSocket()) {
    // A socket is known by its inode: it works under any name, but can't be copied.
    try {
      renameSync(toFsPath(source), toFsPath(disk));
    } catch (error) {
      if (!hasErrno(error, 'EXDEV')) throw error;
      symlinkSync(toFsPath(source), toFsPath(disk));
      return remove;
    }
  } else moveTree(source, disk);
  return (path) => {
    const now = lstatSync(toFsPath(path), { throwIfNoEntry: false });
    if (now !== undefined && now.isDirectory() === stat.isDirectory() && !now.isSymbolicLink()) moveTree(path, source);
  };
}

function writeNew(
  path: ByteString,
  content: Uint8Array,
  { mode, uid, gid }: { readonly mode: number; readonly uid: number; readonly gid: number },
): void {
  const disk = toFsPath(path);
  const descriptor = openSync(disk, 'wx', 0o600);
  try {
    for (let written = 0; written < content.length;) written += writeSync(descriptor, content, written);
  } finally {
    closeSync(descriptor);
  }
  if (uid !== 0 || gid !== 0) chownSync(disk, uid, gid);
  chmodSync(disk, mode);
}

function overwrite(path: ByteString, length: number): void {
  const disk = toFsPath(path);
  if (lstatSync(disk, { throwIfNoEntry: false })?.isFile() !== true) return;
  const descriptor = openSync(disk, 'r+');
  try {
    const zeros = Buffer.alloc(length);
    for (let at = 0; at < length;) at += writeSync(descriptor, zeros, at, length - at, at);
  } finally {
    closeSync(descriptor);
  }
}

function remove(path: ByteString): void {
  rmSync(toFsPath(path), { recursive: true, force: true });
}

function isDirectory(path: ByteString): boolean {
  return lstatSync(toFsPath(path), { throwIfNoEntry: false })?.isDirectory() === true;
}

function mtimeOf(path: ByteString): bigint {
  const stat = lstatSync(toFsPath(path), { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) throw new Error(`${toText(path)} is gone`);
  return stat.mtimeNs;
}

function kindOf(path: string): MountPointKind {
  return statSync(path).isDirectory() ? 'directory' : 'file';
}

const TMPFS_MAGIC = 0x0102_1994;

function isTmpfs(path: string): boolean {
  return existsSync(path) && statfsSync(path).type === TMPFS_MAGIC;
}
