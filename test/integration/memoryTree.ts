import { readdirSync } from 'node:fs';
import { compareBytes, fromText, toFsPath, type ByteString } from '../../src/byteString.ts';
import { readDiskFile } from '../../src/rootfs/diskEntry.ts';
import type { Changes } from '../../src/tree/change.ts';
import type { Content, Entry } from '../../src/tree/entry.ts';
import { joinTreePath, parentOf } from '../../src/tree/path.ts';
import type { NodeId, Tree, TreePath } from '../../src/tree/tree.ts';

interface Node {
  entry: Entry;
  inode: number;
  content: Content | undefined;
}

/** A tree as tests need it: read from a directory, changed by what a rootfs says has changed. */
export class MemoryTree implements Tree {
  readonly root: NodeId = 0;
  readonly #paths: TreePath[] = ['' as TreePath];
  readonly #nodes = new Map<TreePath, Node>();
  #inodes = 0;

  static from(directory: string): MemoryTree {
    const tree = new MemoryTree();
    const inodes = new Map<string, number>();
    const walk = (path: TreePath): void => {
      const disk = joinTreePath(fromText(directory), path);
      const file = readDiskFile(disk);
      if (file === undefined) return;
      const key = `${file.stat.dev}:${file.stat.ino}`;
      const inode = inodes.get(key) ?? tree.#inodes++;
      inodes.set(key, inode);
      tree.#nodes.set(path, { entry: file.entry, inode, content: { kind: 'disk', path: toFsPath(disk) } });
      if (file.entry.type !== 'directory') return;
      for (const name of readdirSync(toFsPath(disk), 'latin1')) walk(joinTreePath(path, name));
    };
    walk('' as TreePath);
    return tree;
  }

  apply(changes: Changes): this {
    for (const change of changes) {
      if (change.kind === 'remove' || change.kind === 'opaque') this.#removeBelow(change.path);
      if (change.kind === 'remove') this.#nodes.delete(change.path);
      if (change.kind === 'put') {
        if (change.entry.type !== 'directory') this.#removeBelow(change.path);
        this.#nodes.set(change.path, { entry: change.entry, inode: this.#inodes++, content: change.content });
      }
      const target = change.kind === 'link' ? this.#nodes.get(change.target) : undefined;
      if (target !== undefined) this.#nodes.set(change.path, target);
    }
    return this;
  }

  child(directory: NodeId, name: ByteString): NodeId | undefined {
    const path = joinTreePath(this.#path(directory), name);
    return this.#nodes.has(path) ? this.#id(path) : undefined;
  }

  names(directory: NodeId): readonly ByteString[] {
    const here = this.#path(directory);
    return [...this.#nodes.keys()]
      .filter((path) => path !== '' && parentOf(path) === here)
      .map((path) => path.slice(here === '' ? 0 : here.length + 1) as ByteString)
      .sort(compareBytes);
  }

  entry(node: NodeId): Entry {
    return this.#node(node).entry;
  }

  inode(node: NodeId): number {
    return this.#node(node).inode;
  }

  content(node: NodeId): Content {
    return this.#node(node).content ?? { kind: 'bytes', bytes: new Uint8Array() };
  }

  #node(id: NodeId): Node {
    const node = this.#nodes.get(this.#path(id));
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  #path(id: NodeId): TreePath {
    return this.#paths[id] ?? ('' as TreePath);
  }

  #id(path: TreePath): NodeId {
    const known = this.#paths.indexOf(path);
    return known >= 0 ? known : this.#paths.push(path) - 1;
  }

  #removeBelow(path: TreePath): void {
    for (const other of this.#nodes.keys()) if (other.startsWith(`${path}/`)) this.#nodes.delete(other);
  }
}
