import { compareBytes, type ByteString } from '../byteString.ts';
import type { Change, Changes } from './change.ts';
import type { Content, Entry } from './entry.ts';
import { joinTreePath } from './path.ts';
import type { NodeId, Tree, TreePath } from './tree.ts';

interface WorkingNode {
  /** The node of the tree below that this one stands for; its children show through. */
  readonly base: NodeId | undefined;
  /** Read from the tree below when first asked for. */
  entry: Entry | undefined;
  content: Content | undefined;
  /** Children asked for or put. */
  children: Map<ByteString, NodeId> | undefined;
  readonly parent: NodeId;
  /** Hard links of one file share it. */
  readonly link: object | undefined;
  /** It, or something below it, was put. */
  touched: boolean;
}

/** What an instruction does to a tree, before it is a layer: the tree below shows through wherever nothing was put. */
export class WorkingTree implements Tree {
  readonly root: NodeId = 0;
  readonly #below: Tree;
  readonly #nodes: WorkingNode[];

  constructor(below: Tree) {
    this.#below = below;
    this.#nodes = [node(0, below.root)];
  }

  child(directory: NodeId, name: ByteString): NodeId | undefined {
    const parent = this.#node(directory);
    const known = parent.children?.get(name);
    if (known !== undefined || parent.base === undefined) return known;
    const below = this.#below.child(parent.base, name);
    return below === undefined ? undefined : this.#add(directory, name, node(directory, below));
  }

  names(directory: NodeId): readonly ByteString[] {
    const { base, children } = this.#node(directory);
    const names = new Set(base === undefined ? [] : this.#below.names(base));
    for (const name of children?.keys() ?? []) names.add(name);
    return [...names].sort(compareBytes);
  }

  entry(id: NodeId): Entry {
    const found = this.#node(id);
    found.entry ??= this.#below.entry(found.base ?? this.#below.root);
    return found.entry;
  }

  inode(id: NodeId): number {
    return id;
  }

  content(id: NodeId): Content {
    const found = this.#node(id);
    if (found.content !== undefined) return found.content;
    if (found.base === undefined) throw new Error('a file without content');
    return this.#below.content(found.base);
  }

  /**
   * Puts an entry in the place of whatever is there; a directory over a directory keeps what is in it.
   * @param link names with the same object become hard links of each other
   */
  put(directory: NodeId, name: ByteString, entry: Entry, content?: Content, link?: object): NodeId {
    const existing = this.child(directory, name);
    if (existing !== undefined && entry.type === 'directory' && this.entry(existing).type === 'directory') {
      const found = this.#node(existing);
      found.entry = entry;
      this.touch(existing);
      return existing;
    }
    const id = this.#add(directory, name, { ...node(directory, undefined), entry, content, link });
    this.touch(id);
    return id;
  }

  /** Marks a directory, or whatever is there, as part of the layer although nothing of it is different. */
  touch(id: NodeId): void {
    for (let at = id; ;) {
      const found = this.#node(at);
      if (found.touched) return;
      found.touched = true;
      if (at === this.root) return;
      at = found.parent;
    }
  }

  /** What was put, with the directories above it. */
  changes(): Changes {
    const changes: Change[] = [];
    const links = new Map<object, TreePath>();
    this.#collect(this.root, '' as TreePath, changes, links);
    return changes;
  }

  #collect(directory: NodeId, path: TreePath, changes: Change[], links: Map<object, TreePath>): void {
    const children = [...(this.#node(directory).children ?? [])].sort(([a], [b]) => compareBytes(a, b));
    for (const [name, id] of children) {
      const child = this.#node(id);
      if (!child.touched) continue;
      const childPath = joinTreePath(path, name);
      const entry = this.entry(id);
      if (entry.type === 'directory' && child.base === undefined && this.#hidesDirectory(directory, name)) {
        changes.push({ kind: 'remove', path: childPath });
      }
      const first = child.link === undefined ? undefined : links.get(child.link);
      if (first !== undefined) {
        changes.push({ kind: 'link', path: childPath, target: first, entry });
        continue;
      }
      if (child.link !== undefined) links.set(child.link, childPath);
      changes.push({
        kind: 'put',
        path: childPath,
        entry,
        ...(entry.type === 'file' ? { content: this.content(id) } : {}),
      });
      if (entry.type === 'directory') this.#collect(id, childPath, changes, links);
    }
  }

  /** Whether the tree below has a directory there, whose files would show through one that took its place. */
  #hidesDirectory(parent: NodeId, name: ByteString): boolean {
    const { base } = this.#node(parent);
    const below = base === undefined ? undefined : this.#below.child(base, name);
    return below !== undefined && this.#below.entry(below).type === 'directory';
  }

  #add(directory: NodeId, name: ByteString, added: WorkingNode): NodeId {
    const id = this.#nodes.push(added) - 1;
    const parent = this.#node(directory);
    parent.children ??= new Map();
    parent.children.set(name, id);
    return id;
  }

  #node(id: NodeId): WorkingNode {
    const found = this.#nodes[id];
    if (found === undefined) throw new Error(`no node ${id}`);
    return found;
  }
}

function node(parent: NodeId, base: NodeId | undefined): WorkingNode {
  return {
    base,
    entry: undefined,
    content: undefined,
    children: undefined,
    parent,
    link: undefined,
    touched: false,
  };
}
