import { lstatSync, readdirSync, readlinkSync, type BigIntStats } from 'node:fs';
import { compareBytes, fromText, toFsPath, toText, type ByteString } from '../byteString.ts';
import { BuildError, hasErrno } from '../errors.ts';
import { splitDeviceNumber } from '../linux/mknod.ts';
import { readXattrs } from '../linux/xattr.ts';
import { NO_XATTRS, type FileType, type Timestamp, type Xattrs } from '../tar/header.ts';
import type { Content, Entry } from '../tree/entry.ts';
import { InodeTable } from '../tree/inodeTable.ts';
import { joinTreePath } from '../tree/path.ts';
import type { NodeId, Tree, TreePath } from '../tree/tree.ts';
import type { PatternMatcher } from './patternMatcher.ts';

/**
 * A directory on disk as a build sees it: everything belongs to root, of xattrs only capabilities are kept, sockets don't
 * exist, and what the ignore file leaves out is not there. A directory that is left out is there all the same if something
 * in it is not. Read as it is asked for: a look-up of one path lists no directory.
 */
export function openContextTree(directory: string, ignore?: PatternMatcher, moved: Moved = IN_PLACE): Tree {
  return new ContextTree(fromText(directory === '/' ? '' : directory), ignore, moved);
}

/** Says where a path lies now, for a directory that is moved about while it is read. */
export interface Moved {
  whereIs(path: string | Buffer): string | Buffer;
}

const IN_PLACE: Moved = { whereIs: (path) => path };

class ContextTree implements Tree {
  readonly root: NodeId = 0;
  readonly #directory: ByteString;
  readonly #ignore: PatternMatcher | undefined;
  readonly #moved: Moved;
  /** What nodes are, by node; `parent` and `name` place them. */
  readonly #inodes = InodeTable.empty();
  readonly #parent: NodeId[] = [];
  readonly #name: ByteString[] = [];
  readonly #children = new Map<NodeId, Map<ByteString, NodeId>>();
  readonly #listings = new Map<NodeId, readonly ByteString[]>();
  /** Of files with several names: the node that stands for all of them, and by device and inode where it was first seen. */
  readonly #linkGroups = new Map<NodeId, NodeId>();
  readonly #firstNames = new Map<string, NodeId>();
  /** Files whose xattrs were read: most are never asked for. */
  readonly #xattrs = new Map<NodeId, Xattrs>();

  constructor(directory: ByteString, ignore: PatternMatcher | undefined, moved: Moved) {
    this.#directory = directory;
    this.#ignore = ignore;
    this.#moved = moved;
    const stats = readStats(this.#diskPath(''));
    if (stats === undefined || !stats.isDirectory()) {
      throw new BuildError('CONTEXT_NOT_FOUND', `the build context ${toText(directory)} is not a directory`);
    }
    this.#add(this.root, '' as ByteString, stats, '' as TreePath);
  }

  child(directory: NodeId, name: ByteString): NodeId | undefined {
    const known = this.#children.get(directory)?.get(name);
    if (known !== undefined) return known === ABSENT ? undefined : known;
    if (this.#listings.has(directory) || !this.#inodes.isDirectory(directory)) return undefined;
    return this.#discover(directory, name, joinTreePath(this.#path(directory), name));
  }

  names(directory: NodeId): readonly ByteString[] {
    const listed = this.#listings.get(directory);
    if (listed !== undefined) return listed;
    const path = this.#path(directory);
    const names = this.#inodes.isDirectory(directory) ? readNames(this.#diskPath(path)) : [];
    const present = names.filter((name) => {
      const known = this.#children.get(directory)?.get(name);
      if (known !== undefined) return known !== ABSENT;
      return this.#discover(directory, name, joinTreePath(path, name)) !== undefined;
    });
    this.#listings.set(directory, present);
    return present;
  }

  entry(node: NodeId): Entry {
    const entry = this.#inodes.entry(node);
    return entry.type === 'file' ? { ...entry, xattrs: this.#capabilities(node) } : entry;
  }

  inode(node: NodeId): number {
    return this.#linkGroups.get(node) ?? node;
  }

  content(node: NodeId): Content {
    return { kind: 'disk', path: this.#diskPath(this.#path(node)) };
  }

  /** Looks at a name on disk; undefined if nothing that belongs to the build is there. */
  #discover(directory: NodeId, name: ByteString, path: TreePath): NodeId | undefined {
    const excluded = this.#ignore !== undefined && this.#ignore.excludes(path);
    if (excluded && !this.#ignore.mayContainException(path)) return undefined;
    const stats = readStats(this.#diskPath(path));
    if (stats === undefined || (excluded && !stats.isDirectory())) return undefined;
    const node = this.#add(directory, name, stats, path);
    if (node === undefined || !excluded || this.names(node).length > 0) return node;
    this.#children.get(directory)?.set(name, ABSENT);
    return undefined;
  }

  #add(parent: NodeId, name: ByteString, stats: BigIntStats, path: TreePath): NodeId | undefined {
    const type = typeOf(stats);
    if (type === undefined) return undefined;
    const linkTarget = type === 'symlink' ? readTarget(this.#diskPath(path)) : ('' as ByteString);
    if (linkTarget === undefined) return undefined;
    const node = this.#inodes.add(normalisedEntry(type, stats, linkTarget), 0, 0);
    this.#parent.push(parent);
    this.#name.push(name);
    if (node !== this.root) {
      const siblings = this.#children.get(parent);
      if (siblings === undefined) this.#children.set(parent, new Map([[name, node]]));
      else siblings.set(name, node);
    }
    if (stats.nlink > 1n && type !== 'directory') {
      const key = `${stats.dev}:${stats.ino}`;
      const first = this.#firstNames.get(key);
      if (first === undefined) this.#firstNames.set(key, node);
      else this.#linkGroups.set(node, first);
    }
    return node;
  }

  #capabilities(node: NodeId): Xattrs {
    const known = this.#xattrs.get(node);
    if (known !== undefined) return known;
    const path = this.#diskPath(this.#path(node));
    const capability = readTolerantly(path, () => readXattrs(path))?.get(CAPABILITY);
    const kept: Xattrs = capability === undefined ? NO_XATTRS : new Map([[CAPABILITY, capability]]);
    this.#xattrs.set(node, kept);
    return kept;
  }

  #path(node: NodeId): TreePath {
    const components: ByteString[] = [];
    for (let at = node; at !== this.root; at = this.#parent[at] ?? this.root) {
      components.push(this.#name[at] ?? ('' as ByteString));
    }
    return components.toReversed().join('/') as TreePath;
  }

  #diskPath(path: TreePath | ''): string | Buffer {
    return this.#moved.whereIs(toFsPath(`${this.#directory}/${path}` as ByteString));
  }
}

/** In the place of a node: looked at, and nothing in it belongs to the build. */
const ABSENT = -1;

const CAPABILITY = 'security.capability' as ByteString;

function normalisedEntry(type: FileType, stats: BigIntStats, linkTarget: ByteString): Entry {
  const isDevice = type === 'character' || type === 'block';
  const device = splitDeviceNumber(isDevice ? stats.rdev : 0n);
  return {
    type,
    mode: Number(stats.mode & 0o7777n),
    uid: 0,
    gid: 0,
    size: type === 'file' ? Number(stats.size) : 0,
    mtime: timestampOf(stats.mtimeNs),
    linkTarget,
    deviceMajor: device.major,
    deviceMinor: device.minor,
    xattrs: NO_XATTRS,
  };
}

function timestampOf(nanoseconds: bigint): Timestamp {
  const rest = ((nanoseconds % BILLION) + BILLION) % BILLION;
  return { seconds: Number((nanoseconds - rest) / BILLION), nanoseconds: Number(rest) };
}

const BILLION = 1_000_000_000n;

/** Undefined for sockets. */
function typeOf(stats: BigIntStats): FileType | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isCharacterDevice()) return 'character';
  return stats.isBlockDevice() ? 'block' : undefined;
}

/** Undefined if it is not there (any more). */
function readStats(path: string | Buffer): BigIntStats | undefined {
  return readTolerantly(path, () => lstatSync(path, { bigint: true }));
}

function readNames(path: string | Buffer): ByteString[] {
  const names = readTolerantly(path, () => readdirSync(path, { encoding: 'latin1' })) ?? [];
  return (names as ByteString[]).sort(compareBytes);
}

function readTarget(path: string | Buffer): ByteString | undefined {
  return readTolerantly(path, () => readlinkSync(path, { encoding: 'latin1' }) as ByteString);
}

/** A context may change under us: what goes away while we look was never there. */
function readTolerantly<T>(path: string | Buffer, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EINVAL')) return undefined;
    throw new BuildError('CONTEXT_UNREADABLE', `cannot read ${path.toString()} in the build context`, { cause: error });
  }
}
