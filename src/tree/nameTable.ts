import { compareBytes, type ByteString } from '../byteString.ts';
import { Pages, rowInPage } from './pages.ts';
import type { NodeId } from './tree.ts';

const NONE = -1;
const REMOVED = -2;
/** Names are kept in chunks so that growing never copies them. */
const CHUNK = 1 << 20;
/** Of the hash table; always a power of two. */
const FIRST_SLOTS = 64;

type NamePage = ReturnType<typeof makePage>;

function makePage(rows: number) {
  return {
    /** `REMOVED` once the name is gone. */
    parent: new Int32Array(rows),
    inode: new Int32Array(rows),
    /** 0, the root, is nobody's child and so stands for none. */
    firstChild: new Int32Array(rows),
    nextSibling: new Int32Array(rows),
    nameStart: new Uint32Array(rows),
    nameLength: new Uint16Array(rows),
  };
}

/** Directory entries in columns: each node has a parent, a name and an inode. Node 0 is the root. Ids are never reused. */
export class NameTable {
  readonly #pages: Pages<NamePage>;
  readonly #chunks: Buffer[];
  #chunkUsed = CHUNK;
  /** Open addressing over (parent, name): a node id, NONE or REMOVED. */
  #slots: Int32Array;
  #slotsUsed: number;

  private constructor(pages: Pages<NamePage>, chunks: Buffer[], slots: Int32Array, slotsUsed: number) {
    this.#pages = pages;
    this.#chunks = chunks;
    this.#slots = slots;
    this.#slotsUsed = slotsUsed;
  }

  static empty(rootInode: number): NameTable {
    const pages = new Pages(makePage);
    const root = pages.addRow();
    const page = pages.pageOf(root);
    page.parent[root] = NONE;
    page.inode[root] = rootInode;
    return new NameTable(pages, [], new Int32Array(FIRST_SLOTS).fill(NONE), 0);
  }

  clone(): NameTable {
    // Chunks are only ever appended to, and a copy starts one of its own.
    return new NameTable(this.#pages.clone(), [...this.#chunks], this.#slots.slice(), this.#slotsUsed);
  }

  inode(node: NodeId): number {
    return this.#pages.pageOf(node).inode[rowInPage(node)] ?? NONE;
  }

  find(parent: NodeId, name: ByteString): NodeId | undefined {
    const node = this.#slots[this.#slotOf(parent, name)];
    return node === undefined || node < 0 ? undefined : node;
  }

  /** The caller has made sure that the name is free. */
  add(parent: NodeId, name: ByteString, inode: number): NodeId {
    const node = this.#pages.addRow();
    const page = this.#pages.pageOf(node);
    const row = rowInPage(node);
    const parentPage = this.#pages.pageOf(parent);
    const parentRow = rowInPage(parent);
    page.parent[row] = parent;
    page.inode[row] = inode;
    page.nameStart[row] = this.#storeName(name);
    page.nameLength[row] = name.length;
    page.nextSibling[row] = parentPage.firstChild[parentRow] ?? 0;
    parentPage.firstChild[parentRow] = node;
    this.#occupy(parent, name, node);
    return node;
  }

  /** Takes a name, and with it everything below, out; nothing happens if it is not there. */
  remove(parent: NodeId, name: ByteString): void {
    const slot = this.#slotOf(parent, name);
    const node = this.#slots[slot];
    if (node === undefined || node < 0) return;
    this.#slots[slot] = REMOVED;
    // It leaves the list of its siblings when that is read next: nothing points back along it.
    this.#pages.pageOf(node).parent[rowInPage(node)] = REMOVED;
  }

  /** Takes all names of a directory out. */
  removeAll(parent: NodeId): void {
    for (const name of this.childNames(parent)) this.remove(parent, name);
    this.#pages.pageOf(parent).firstChild[rowInPage(parent)] = 0;
  }

  /** In byte order. */
  childNames(parent: NodeId): ByteString[] {
    const names: ByteString[] = [];
    const parentPage = this.#pages.pageOf(parent);
    let last = 0;
    let node = parentPage.firstChild[rowInPage(parent)] ?? 0;
    while (node !== 0) {
      const page = this.#pages.pageOf(node);
      const row = rowInPage(node);
      const next = page.nextSibling[row] ?? 0;
      if (page.parent[row] !== REMOVED) {
        names.push(this.#name(page, row));
        last = node;
      } else if (last === 0) parentPage.firstChild[rowInPage(parent)] = next;
      else this.#pages.pageOf(last).nextSibling[rowInPage(last)] = next;
      node = next;
    }
    return names.sort(compareBytes);
  }

  #name(page: NamePage, row: number): ByteString {
    const start = page.nameStart[row] ?? 0;
    const at = start % CHUNK;
    const end = at + (page.nameLength[row] ?? 0);
    return (this.#chunks[Math.floor(start / CHUNK)]?.toString('latin1', at, end) ?? '') as ByteString;
  }

  #hasName(page: NamePage, row: number, name: ByteString): boolean {
    if (page.nameLength[row] !== name.length) return false;
    const start = page.nameStart[row] ?? 0;
    const chunk = this.#chunks[Math.floor(start / CHUNK)];
    const at = start % CHUNK;
    for (let index = 0; index < name.length; index++) {
      if (chunk?.[at + index] !== name.charCodeAt(index)) return false;
    }
    return true;
  }

  /** Where it starts, counted over all chunks. */
  #storeName(name: ByteString): number {
    if (this.#chunkUsed + name.length > CHUNK) {
      this.#chunks.push(Buffer.allocUnsafeSlow(CHUNK));
      this.#chunkUsed = 0;
    }
    const chunk = this.#chunks.length - 1;
    const start = chunk * CHUNK + this.#chunkUsed;
    this.#chunks[chunk]?.write(name, this.#chunkUsed, 'latin1');
    this.#chunkUsed += name.length;
    return start;
  }

  /** The slot that holds (parent, name), or the one that ends the search. */
  #slotOf(parent: NodeId, name: ByteString): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash(parent, name) & mask; ; slot = (slot + 1) & mask) {
      const node = this.#slots[slot] ?? NONE;
      if (node === NONE) return slot;
      if (node === REMOVED) continue;
      const page = this.#pages.pageOf(node);
      const row = rowInPage(node);
      if (page.parent[row] === parent && this.#hasName(page, row, name)) return slot;
    }
  }

  #occupy(parent: NodeId, name: ByteString, node: NodeId): void {
    if ((this.#slotsUsed + 1) * 4 > this.#slots.length * 3) this.#rehash();
    const slot = this.#slotOf(parent, name);
    if (this.#slots[slot] === NONE) this.#slotsUsed++;
    this.#slots[slot] = node;
  }

  #rehash(): void {
    const old = this.#slots;
    let live = 0;
    for (const node of old) if (node >= 0) live++;
    let size = FIRST_SLOTS;
    while (size < live * 2 + 2) size *= 2;
    this.#slots = new Int32Array(size).fill(NONE);
    this.#slotsUsed = live;
    const mask = size - 1;
    for (const node of old) {
      if (node < 0) continue;
      const page = this.#pages.pageOf(node);
      const row = rowInPage(node);
      let slot = hash(page.parent[row] ?? NONE, this.#name(page, row)) & mask;
      while (this.#slots[slot] !== NONE) slot = (slot + 1) & mask;
      this.#slots[slot] = node;
    }
  }
}

/** FNV-1a with a final mix, since names that differ only at their end are the rule. */
function hash(parent: NodeId, name: ByteString): number {
  let value = Math.imul(parent ^ 0x811c9dc5, 0x01000193);
  for (let index = 0; index < name.length; index++) value = Math.imul(value ^ name.charCodeAt(index), 0x01000193);
  value ^= value >>> 15;
  value = Math.imul(value, 0x2c1b3c6d);
  return (value ^ (value >>> 13)) >>> 0;
}
