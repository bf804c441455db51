import {
  closeSync,
  constants,
  ftruncateSync,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  chmodSync,
  writeSync,
} from 'node:fs';
import { fromText, toBytes, toFsPath, toText, type ByteString } from '../byteString.ts';
import { BuildError, hasErrno } from '../errors.ts';
import { makeFifo, makeNode } from '../linux/mknod.ts';
import { giveTo } from '../linux/owner.ts';
import { setTimes } from '../linux/times.ts';
import { setXattr } from '../linux/xattr.ts';
import type { TarHeader } from '../tar/header.ts';
import type { TarHandler } from '../tar/reader.ts';
import { LayerListing } from '../tree/layerListing.ts';
import type { EntryPlace } from '../tree/layerTree.ts';
import { ancestorsOf, cleanTreePath, parentOf } from '../tree/path.ts';
import type { TreePath } from '../tree/tree.ts';
import { whiteoutOf } from '../tree/whiteout.ts';
import type { OverlayXattrs } from './overlayXattrs.ts';

/** What a layer, unpacked alone, lacks of the layers below; none of it means that its directory can be shared by every image. */
export interface Unsettled {
  /** Directories that the layer implies but does not describe: they have the attributes of the layer below. */
  readonly impliedDirectories: readonly TreePath[];
  /** Hard links to files of lower layers; not made. */
  readonly externalLinks: readonly { readonly path: TreePath; readonly target: TreePath }[];
  /** A path leads through a link: the layer must be unpacked again with places from the merged tree. */
  readonly throughLinks: boolean;
}

export interface LayerDirectoryOptions {
  /** Exists and is empty. */
  readonly directory: string;
  readonly xattrs: OverlayXattrs;
  /** Where each entry of the archive goes, in archive order, if that is not where its own name says. */
  readonly places?: readonly EntryPlace[];
}

/**
 * Writes a layer's tar as a directory that overlayfs can stack: whiteouts become 0:0 devices, opaque directories an xattr.
 * Nothing is followed and nothing lands outside: every parent is a directory this object made itself.
 */
export class LayerDirectoryWriter implements TarHandler {
  readonly listing = LayerListing.empty();
  readonly #root: string;
  readonly #xattrs: OverlayXattrs;
  readonly #places: readonly EntryPlace[] | undefined;
  /** Directories made so far; the header is missing for implied ones. */
  readonly #directories = new Map<TreePath, TarHeader | undefined>([['' as TreePath, undefined]]);
  readonly #whiteouts: TreePath[] = [];
  readonly #opaque: TreePath[] = [];
  readonly #externalLinks: { path: TreePath; target: TreePath }[] = [];
  #throughLinks = false;
  #file:
    | { descriptor: number; header: TarHeader; position: number; endsInHole: boolean; path: string | Buffer }
    | undefined;

  constructor(options: LayerDirectoryOptions) {
    this.#root = fromText(options.directory);
    this.#xattrs = options.xattrs;
    this.#places = options.places;
  }

  entry(header: TarHeader, offset: number): void {
    const place = this.#places?.[this.listing.count] ?? placeOf(header);
    const { path } = place;
    this.listing.append(header, offset);
    if (this.#throughLinks) return;
    if (path === '') {
      if (header.type === 'directory') this.#directories.set(path, header);
      return;
    }
    const whiteout = whiteoutOf(path);
    if (whiteout?.kind === 'nothing' || !this.#makeParents(parentOf(path))) return;
    if (whiteout === undefined) this.#create(place, header);
    else if (whiteout.kind === 'opaque') this.#opaque.push(whiteout.path);
    else this.#whiteouts.push(whiteout.path);
  }

  data(chunk: Uint8Array): void {
    const file = this.#file;
    if (file === undefined) return;
    for (let at = 0; at < chunk.length;) {
      const written = writeSync(file.descriptor, chunk, at, chunk.length - at, file.position);
      at += written;
      file.position += written;
    }
    file.endsInHole = false;
  }

  hole(length: number): void {
    if (this.#file === undefined) return;
    this.#file.position += length;
    this.#file.endsInHole = true;
  }

  endEntry(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    const { descriptor, header, path } = file;
    try {
      if (file.endsInHole) ftruncateSync(descriptor, file.position);
      if (header.uid !== 0 || header.gid !== 0) giveTo(descriptor, header.uid, header.gid);
      if (!survivesUmask(header.mode)) fchmodSync(descriptor, header.mode);
      applyXattrs(path, header);
      if (header.mtime.nanoseconds === 0) futimesSync(descriptor, header.mtime.seconds, header.mtime.seconds);
    } finally {
      closeSync(descriptor);
    }
    if (header.mtime.nanoseconds !== 0) setTimes(path, header.mtime);
  }

  /** Whiteouts and directory attributes, which must come last. */
  finish(): Unsettled {
    if (this.#throughLinks) return { impliedDirectories: [], externalLinks: [], throughLinks: true };
    const externalLinks = this.#externalLinks.filter(
      ({ path, target }) =>
        lstatSync(this.#at(path), { throwIfNoEntry: false }) === undefined && !this.#tryLink(this.#at(path), target),
    );
    for (const path of this.#opaque) this.#markOpaque(path);
    for (const path of this.#whiteouts) {
      if (this.#directories.has(path)) this.#markOpaque(path);
      else if (lstatSync(this.#at(path), { throwIfNoEntry: false }) === undefined) {
        makeNode(this.#at(path), 'character', 0, { major: 0, minor: 0 });
      }
    }
    const implied: TreePath[] = [];
    for (const [path, header] of [...this.#directories].toReversed()) {
      if (header !== undefined) applyAttributes(this.#at(path), header);
      else if (path === '') chmodSync(this.#at(path), 0o755);
      else implied.push(path);
    }
    return { impliedDirectories: implied.toReversed(), externalLinks, throughLinks: false };
  }

  #create(place: EntryPlace, header: TarHeader): void {
    const { path } = place;
    const at = this.#at(path);
    if (header.type === 'directory' && this.#directories.has(path)) {
      this.#directories.set(path, header);
      return;
    }
    try {
      this.#createNew(place, at, header);
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error;
      this.#removeExisting(path);
      this.#createNew(place, at, header);
    }
  }

  #createNew({ path, target }: EntryPlace, at: string | Buffer, header: TarHeader): void {
    switch (header.type) {
      case 'directory':
        mkdirSync(at, 0o700);
        this.#directories.set(path, header);
        return;
      case 'file': {
        const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
        const descriptor = openSync(at, flags, header.mode & 0o777);
        this.#file = { descriptor, header, position: 0, endsInHole: false, path: at };
        return;
      }
      case 'hardlink':
        if (target !== undefined && target !== path) this.#link(path, at, target);
        return;
      case 'symlink':
        symlinkSync(toBytes(header.linkTarget), at);
        giveTo(at, header.uid, header.gid);
        applyXattrs(at, header);
        setTimes(at, header.mtime);
        return;
      case 'fifo':
        makeFifo(at, header.mode);
        applyAttributes(at, header);
        return;
      case 'character':
      case 'block':
        try {
          makeNode(at, header.type, header.mode, { major: header.deviceMajor, minor: header.deviceMinor });
        } catch (error) {
          // A user namespace may make no devices; the tree has it all the same.
          if (hasErrno(error, 'EPERM')) return;
          throw error;
        }
        applyAttributes(at, header);
    }
  }

  #link(path: TreePath, at: string | Buffer, target: TreePath): void {
    for (const directory of ancestorsOf(target)) {
      const status = lstatSync(this.#at(directory), { throwIfNoEntry: false });
      if (status?.isSymbolicLink() === true) {
        this.#meetLink(directory);
        return;
      }
      if (status === undefined) break;
    }
    if (!this.#tryLink(at, target)) this.#externalLinks.push({ path, target });
  }

  /** False if the target is not there. @throws BuildError `LAYER_INVALID` if it is a directory */
  #tryLink(at: string | Buffer, target: TreePath): boolean {
    try {
      linkSync(this.#at(target), at);
      return true;
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false;
      if (!this.#directories.has(target)) throw error;
      throw new BuildError('LAYER_INVALID', `a hard link to ${toText(target)}, which is a directory`);
    }
  }

  #removeExisting(path: TreePath): void {
    rmSync(this.#at(path), { recursive: true, force: true });
    for (const directory of this.#directories.keys()) {
      if (directory === path || directory.startsWith(`${path}/`)) this.#directories.delete(directory);
    }
  }

  /** False if the way leads through a link. */
  #makeParents(directory: TreePath): boolean {
    if (this.#directories.has(directory)) return true;
    for (const path of [...ancestorsOf(directory), directory]) {
      if (this.#directories.has(path)) continue;
      const status = lstatSync(this.#at(path), { throwIfNoEntry: false });
      if (status?.isSymbolicLink() === true) {
        this.#meetLink(path);
        return false;
      }
      if (status !== undefined) rmSync(this.#at(path));
      mkdirSync(this.#at(path), 0o755);
      this.#directories.set(path, undefined);
    }
    return true;
  }

  #meetLink(path: TreePath): void {
    if (this.#places !== undefined) throw new Error(`a place in a layer leads through the link ${path}`);
    this.#throughLinks = true;
  }

  #markOpaque(path: TreePath): void {
    setXattr(this.#at(path), `${this.#xattrs}.overlay.opaque` as ByteString, 'y' as ByteString);
  }

  #at(path: TreePath): string | Buffer {
    return toFsPath((path === '' ? this.#root : `${this.#root}/${path}`) as ByteString);
  }
}

function placeOf({ type, path, linkTarget }: TarHeader): EntryPlace {
  const place = { path: cleanTreePath(path) };
  return type === 'hardlink' ? { ...place, target: cleanTreePath(linkTarget) } : place;
}

/** Owner, mode, xattrs and time of anything but a link. */
export function applyAttributes(
  path: string | Buffer,
  entry: Pick<TarHeader, 'uid' | 'gid' | 'mode' | 'mtime' | 'xattrs'>,
): void {
  giveTo(path, entry.uid, entry.gid);
  chmodSync(path, entry.mode);
  applyXattrs(path, entry);
  setTimes(path, entry.mtime);
}

/** Says whether the disk took them all. */
export function applyXattrs(path: string | Buffer, { xattrs }: Pick<TarHeader, 'xattrs'>): boolean {
  let isComplete = true;
  for (const [name, value] of xattrs) {
    // They would tell overlayfs where else to look for a file.
    if (OVERLAY_XATTR.test(name)) continue;
    try {
      setXattr(path, name, value);
    } catch (error) {
      // What the disk refuses stays in the tree and so in the image.
      if (!hasErrno(error, 'ENOTSUP', 'EPERM', 'EINVAL')) throw error;
      isComplete = false;
    }
  }
  return isComplete;
}

const OVERLAY_XATTR = /^(trusted|user)\.overlay\./;

/** Whether open(2) under umask 022 gives exactly this mode. */
function survivesUmask(mode: number): boolean {
  return (mode & ~0o755) === 0;
}
