import type { ByteString } from '../byteString.ts';
import { NO_XATTRS, type FileType, type Xattrs } from '../tar/header.ts';
import type { Entry } from './entry.ts';
import { Pages, rowInPage } from './pages.ts';

const TYPES: readonly FileType[] = ['file', 'directory', 'symlink', 'character', 'block', 'fifo'];
const TYPE_CODES = new Map(TYPES.map((type, code) => [type, code]));
const DIRECTORY = TYPES.indexOf('directory');

type InodePage = ReturnType<typeof makePage>;

function makePage(rows: number) {
  return {
    type: new Uint8Array(rows),
    mode: new Uint16Array(rows),
    uid: new Uint32Array(rows),
    gid: new Uint32Array(rows),
    size: new Float64Array(rows),
    seconds: new Float64Array(rows),
    nanoseconds: new Uint32Array(rows),
    layer: new Uint16Array(rows),
    offset: new Float64Array(rows),
  };
}

/** What files are, in columns; what few files have (link targets, devices, xattrs) in maps. */
export class InodeTable {
  readonly #pages: Pages<InodePage>;
  readonly #linkTargets: Map<number, ByteString>;
  readonly #devices: Map<number, readonly [major: number, minor: number]>;
  readonly #xattrs: Map<number, Xattrs>;

  private constructor(
    pages: Pages<InodePage>,
    linkTargets: Map<number, ByteString>,
    devices: Map<number, readonly [major: number, minor: number]>,
    xattrs: Map<number, Xattrs>,
  ) {
    this.#pages = pages;
    this.#linkTargets = linkTargets;
    this.#devices = devices;
    this.#xattrs = xattrs;
  }

  static empty(): InodeTable {
    return new InodeTable(new Pages(makePage), new Map(), new Map(), new Map());
  }

  clone(): InodeTable {
    return new InodeTable(
      this.#pages.clone(),
      new Map(this.#linkTargets),
      new Map(this.#devices),
      new Map(this.#xattrs),
    );
  }

  /** `layer` is an index, `offset` where the content starts in that layer's tar. */
  add(entry: Entry, layer: number, offset: number): number {
    const inode = this.#pages.addRow();
    this.set(inode, entry, layer, offset);
    return inode;
  }

  set(inode: number, entry: Entry, layer: number, offset: number): void {
    const page = this.#pages.pageOf(inode);
    const row = rowInPage(inode);
    page.type[row] = TYPE_CODES.get(entry.type) ?? 0;
    page.mode[row] = entry.mode;
    page.uid[row] = entry.uid;
    page.gid[row] = entry.gid;
    page.size[row] = entry.size;
    page.seconds[row] = entry.mtime.seconds;
    page.nanoseconds[row] = entry.mtime.nanoseconds;
    page.layer[row] = layer;
    page.offset[row] = offset;
    if (entry.linkTarget !== '') this.#linkTargets.set(inode, entry.linkTarget);
    else this.#linkTargets.delete(inode);
    if (entry.deviceMajor !== 0 || entry.deviceMinor !== 0) {
      this.#devices.set(inode, [entry.deviceMajor, entry.deviceMinor]);
    } else this.#devices.delete(inode);
    if (entry.xattrs.size > 0) this.#xattrs.set(inode, entry.xattrs);
    else this.#xattrs.delete(inode);
  }

  isDirectory(inode: number): boolean {
    return this.#pages.pageOf(inode).type[rowInPage(inode)] === DIRECTORY;
  }

  layer(inode: number): number {
    return this.#pages.pageOf(inode).layer[rowInPage(inode)] ?? 0;
  }

  offset(inode: number): number {
    return this.#pages.pageOf(inode).offset[rowInPage(inode)] ?? 0;
  }

  entry(inode: number): Entry {
    const page = this.#pages.pageOf(inode);
    const row = rowInPage(inode);
    const device = this.#devices.get(inode);
    return {
      type: TYPES[page.type[row] ?? 0] ?? 'file',
      mode: page.mode[row] ?? 0,
      uid: page.uid[row] ?? 0,
      gid: page.gid[row] ?? 0,
      size: page.size[row] ?? 0,
      mtime: { seconds: page.seconds[row] ?? 0, nanoseconds: page.nanoseconds[row] ?? 0 },
      linkTarget: this.#linkTargets.get(inode) ?? ('' as ByteString),
      deviceMajor: device?.[0] ?? 0,
      deviceMinor: device?.[1] ?? 0,
      xattrs: this.#xattrs.get(inode) ?? NO_XATTRS,
    };
  }
}
