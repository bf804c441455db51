import { compareBytes, type ByteString } from '../byteString.ts';
import type { NodeId } from './tree.ts';

const NONE = -1;
const REMOVED = -2;
/** Names are kept in chunks so that growing never copies them. */
const CHUNK = 1 << 20;

/** Directory entries in columns: each node has a parent, a name and an inode. Node 0 is the root. Ids are never reused. */
export class NameTable {
  #count: number;
  #parent: Int32Array;
  #inode: Int32Array;
  #firstChild: Int32Array;
  #nextSibling: Int32Array;
  #previousSibling: Int32Array;
  #nameStart: Uint32Array;
  #nameLength: Uint16Array;
  readonly #chunks: Buffer[];
  #chunkUsed: number;
  /** Open addressing over (parent, name): a node id, NONE or REMOVED. */
  #slots: Int32Array;
  #slotsUsed: number;

  private constructor(capacity: number) {
    this.#count = 0;
    this.#parent = new Int32Array(capacity);
    this.#inode = new Int32Array(capacity);
    this.#firstChild = new Int32Array(capacity).fill(NONE);
    this.#nextSibling = new Int32Array(capacity).fill(NONE);
    this.#previousSibling = new Int32Array(capacity).fill(NONE);
    this.#nameStart = new Uint32Array(capacity);
    this.#nameLength = new Uint16Array(capacity);
    this.#chunks = [];
    this.#chunkUsed = CHUNK;
    this.#slots = new Int32Array(64).fill(NONE);
    this.#slotsUsed = 0;
  }

  static empty(rootInode: number): NameTable {
    const table = new NameTable(16);
    table.#count = 1;
    table.#parent[0] = NONE;
    table.#inode[0] = rootInode;
    return table;
  }

  clone(): NameTable {
    const copy = new NameTable(0);
    copy.#count = this.#count;
    copy.#parent = this.#parent.slice(0, this.#count);
    copy.#inode = this.#inode.slice(0, this.#count);
    copy.#firstChild = this.#firstChild.slice(0, this.#count);
    copy.#nextSibling = this.#nextSibling.slice(0, this.#count);
    copy.#previousSibling = this.#previousSibling.slice(0, this.#count);
    copy.#nameStart = this.#nameStart.slice(0, this.#count);
    copy.#nameLength = this.#nameLength.slice(0, this.#count);
    // Full chunks never change; the copy starts a chunk of its own.
    copy.#chunks.push(...this.#chunks);
    copy.#chunkUsed = CHUNK;
    copy.#slots = this.#slots.slice();
    copy.#slotsUsed = this.#slotsUsed;
    return copy;
  }

  inode(node: NodeId): number {
    return this.#inode[node] ?? NONE;
  }

  find(parent: NodeId, name: ByteString): NodeId | undefined {
    const node = this.#slots[this.#slotOf(parent, name)];
    return node === undefined || node < 0 ? undefined : node;
  }

  /** The caller has made sure that the name is free. */
  add(parent: NodeId, name: ByteString, inode: number): NodeId {
    const node = this.#count;
    this.#reserve(node + 1);
    this.#count++;
    this.#parent[node] = parent;
    this.#inode[node] = inode;
    this.#storeName(node, name);
    const first = this.#firstChild[parent] ?? NONE;
    this.#nextSibling[node] = first;
    if (first !== NONE) this.#previousSibling[first] = node;
    this.#firstChild[parent] = node;
    this.#occupy(parent, name, node);
    return node;
  }

  /** Takes a name, and with it everything below, out; nothing happens if it is not there. */
  remove(parent: NodeId, name: ByteString): void {
    const slot = this.#slotOf(parent, name);
    const node = this.#slots[slot];
    if (node === undefined || node < 0) return;
    this.#slots[slot] = REMOVED;
    const previous = this.#previousSibling[node] ?? NONE;
    const next = this.#nextSibling[node] ?? NONE;
    if (previous === NONE) this.#firstChild[parent] = next;
    else this.#nextSibling[previous] = next;
    if (next !== NONE) this.#previousSibling[next] = previous;
  }

  /** In byte order. */
  childNames(parent: NodeId): ByteString[] {
    const names: ByteString[] = [];
    for (let node = this.#firstChild[parent] ?? NONE; node !== NONE; node = this.#nextSibling[node] ?? NONE) {
      names.push(this.#name(node));
    }
    return names.sort(compareBytes);
  }

  #name(node: NodeId): ByteString {
    const start = this.#nameStart[node] ?? 0;
    const chunk = this.#chunks[Math.floor(start / CHUNK)];
    const at = start % CHUNK;
    return (chunk?.toString('latin1', at, at + (this.#nameLength[node] ?? 0)) ?? '') as ByteString;
  }

  #nameEquals(node: NodeId, name: ByteString): boolean {
    if (this.#nameLength[node] !== name.length) return false;
    const start = this.#nameStart[node] ?? 0;
    const chunk = this.#chunks[Math.floor(start / CHUNK)];
    const at = start % CHUNK;
    for (let index = 0; index < name.length; index++) {
      if (chunk?.[at + index] !== name.charCodeAt(index)) return false;
    }
    return true;
  }

  #storeName(node: NodeId, name: ByteString): void {
    if (this.#chunkUsed + name.length > CHUNK) {
      this.#chunks.push(Buffer.allocUnsafeSlow(CHUNK));
      this.#chunkUsed = 0;
    }
    const chunk = this.#chunks.length - 1;
    this.#chunks[chunk]?.write(name, this.#chunkUsed, 'latin1');
    this.#nameStart[node] = chunk * CHUNK + this.#chunkUsed;
    this.#nameLength[node] = name.length;
    this.#chunkUsed += name.length;
  }

  /** The slot that holds (parent, name), or the one that ends the search. */
  #slotOf(parent: NodeId, name: ByteString): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash(parent, name) & mask; ; slot = (slot + 1) & mask) {
      const node = this.#slots[slot] ?? NONE;
      if (node === NONE) return slot;
      if (node !== REMOVED && this.#parent[node] === parent && this.#nameEquals(node, name)) return slot;
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
    let size = 64;
    while (size < live * 2 + 2) size *= 2;
    this.#slots = new Int32Array(size).fill(NONE);
    this.#slotsUsed = live;
    const mask = size - 1;
    for (const node of old) {
      if (node < 0) continue;
      let slot = hash(this.#parent[node] ?? NONE, this.#name(node)) & mask;
      while (this.#slots[slot] !== NONE) slot = (slot + 1) & mask;
      this.#slots[slot] = node;
    }
  }

  #reserve(count: number): void {
    if (count <= this.#parent.length) return;
    const capacity = Math.max(count, 16, Math.floor(this.#parent.length * 1.5));
    this.#parent = grow(this.#parent, capacity);
    this.#inode = grow(this.#inode, capacity);
    this.#firstChild = grow(this.#firstChild, capacity);
    this.#nextSibling = grow(this.#nextSibling, capacity);
    this.#previousSibling = grow(this.#previousSibling, capacity);
    const starts = new Uint32Array(capacity);
    starts.set(this.#nameStart);
    this.#nameStart = starts;
    const lengths = new Uint16Array(capacity);
    lengths.set(this.#nameLength);
    this.#nameLength = lengths;
  }
}

function grow(column: Int32Array, capacity: number): Int32Array {
  const grown = new Int32Array(capacity).fill(NONE, column.length);
  grown.set(column);
  return grown;
}

/** FNV-1a with a final mix, since names that differ only at their end are the rule. */
function hash(parent: NodeId, name: ByteString): number {
  let value = Math.imul(parent ^ 0x811c9dc5, 0x01000193);
  for (let index = 0; index < name.length; index++) value = Math.imul(value ^ name.charCodeAt(index), 0x01000193);
  value ^= value >>> 15;
  value = Math.imul(value, 0x2c1b3c6d);
  return (value ^ (value >>> 13)) >>> 0;
}
