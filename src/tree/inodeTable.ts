import type { ByteString } from '../byteString.ts';
import { NO_XATTRS, type FileType, type Xattrs } from '../tar/header.ts';
import type { Entry } from './entry.ts';

const TYPES: readonly FileType[] = ['file', 'directory', 'symlink', 'character', 'block', 'fifo'];
const TYPE_CODES = new Map(TYPES.map((type, code) => [type, code]));
const DIRECTORY = TYPES.indexOf('directory');

/** What files are, in columns; what few files have (link targets, devices, xattrs) in maps. */
export class InodeTable {
  #count = 0;
  #type = new Uint8Array(16);
  #mode = new Uint16Array(16);
  #uid = new Uint32Array(16);
  #gid = new Uint32Array(16);
  #size = new Float64Array(16);
  #seconds = new Float64Array(16);
  #nanoseconds = new Uint32Array(16);
  #layer = new Uint16Array(16);
  #offset = new Float64Array(16);
  #linkTargets = new Map<number, ByteString>();
  #devices = new Map<number, readonly [major: number, minor: number]>();
  #xattrs = new Map<number, Xattrs>();

  static empty(): InodeTable {
    return new InodeTable();
  }

  clone(): InodeTable {
    const copy = new InodeTable();
    copy.#count = this.#count;
    copy.#type = this.#type.slice(0, this.#count);
    copy.#mode = this.#mode.slice(0, this.#count);
    copy.#uid = this.#uid.slice(0, this.#count);
    copy.#gid = this.#gid.slice(0, this.#count);
    copy.#size = this.#size.slice(0, this.#count);
    copy.#seconds = this.#seconds.slice(0, this.#count);
    copy.#nanoseconds = this.#nanoseconds.slice(0, this.#count);
    copy.#layer = this.#layer.slice(0, this.#count);
    copy.#offset = this.#offset.slice(0, this.#count);
    copy.#linkTargets = new Map(this.#linkTargets);
    copy.#devices = new Map(this.#devices);
    copy.#xattrs = new Map(this.#xattrs);
    return copy;
  }

  /** `layer` is an index, `offset` where the content starts in that layer's tar. */
  add(entry: Entry, layer: number, offset: number): number {
    const inode = this.#count;
    this.#reserve(inode + 1);
    this.#count++;
    this.set(inode, entry, layer, offset);
    return inode;
  }

  set(inode: number, entry: Entry, layer: number, offset: number): void {
    this.#type[inode] = TYPE_CODES.get(entry.type) ?? 0;
    this.#mode[inode] = entry.mode;
    this.#uid[inode] = entry.uid;
    this.#gid[inode] = entry.gid;
    this.#size[inode] = entry.size;
    this.#seconds[inode] = entry.mtime.seconds;
    this.#nanoseconds[inode] = entry.mtime.nanoseconds;
    this.#layer[inode] = layer;
    this.#offset[inode] = offset;
    if (entry.linkTarget !== '') this.#linkTargets.set(inode, entry.linkTarget);
    else this.#linkTargets.delete(inode);
    if (entry.deviceMajor !== 0 || entry.deviceMinor !== 0) {
      this.#devices.set(inode, [entry.deviceMajor, entry.deviceMinor]);
    } else this.#devices.delete(inode);
    if (entry.xattrs.size > 0) this.#xattrs.set(inode, entry.xattrs);
    else this.#xattrs.delete(inode);
  }

  isDirectory(inode: number): boolean {
    return this.#type[inode] === DIRECTORY;
  }

  layer(inode: number): number {
    return this.#layer[inode] ?? 0;
  }

  offset(inode: number): number {
    return this.#offset[inode] ?? 0;
  }

  entry(inode: number): Entry {
    const device = this.#devices.get(inode);
    return {
      type: TYPES[this.#type[inode] ?? 0] ?? 'file',
      mode: this.#mode[inode] ?? 0,
      uid: this.#uid[inode] ?? 0,
      gid: this.#gid[inode] ?? 0,
      size: this.#size[inode] ?? 0,
      mtime: { seconds: this.#seconds[inode] ?? 0, nanoseconds: this.#nanoseconds[inode] ?? 0 },
      linkTarget: this.#linkTargets.get(inode) ?? ('' as ByteString),
      deviceMajor: device?.[0] ?? 0,
      deviceMinor: device?.[1] ?? 0,
      xattrs: this.#xattrs.get(inode) ?? NO_XATTRS,
    };
  }

  #reserve(count: number): void {
    if (count <= this.#type.length) return;
    const capacity = Math.max(count, 16, Math.floor(this.#type.length * 1.5));
    this.#type = grow(this.#type, new Uint8Array(capacity));
    this.#mode = grow(this.#mode, new Uint16Array(capacity));
    this.#uid = grow(this.#uid, new Uint32Array(capacity));
    this.#gid = grow(this.#gid, new Uint32Array(capacity));
    this.#size = grow(this.#size, new Float64Array(capacity));
    this.#seconds = grow(this.#seconds, new Float64Array(capacity));
    this.#nanoseconds = grow(this.#nanoseconds, new Uint32Array(capacity));
    this.#layer = grow(this.#layer, new Uint16Array(capacity));
    this.#offset = grow(this.#offset, new Float64Array(capacity));
  }
}

function grow<T extends { set(source: ArrayLike<number>): void } & ArrayLike<number>>(column: T, grown: T): T {
  grown.set(column);
  return grown;
}
