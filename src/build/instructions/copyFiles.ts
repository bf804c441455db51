import { fromText, toText, type ByteString } from '../../byteString.ts';
import { BuildError } from '../../errors.ts';
import type { Timestamp, Xattrs } from '../../tar/header.ts';
import { newEntry, type Content, type Entry } from '../../tree/entry.ts';
import { cleanTreePath, componentsOf, joinTreePath, ROOT_PATH } from '../../tree/path.ts';
import { resolvePath } from '../../tree/resolve.ts';
import type { NodeId, Tree, TreePath } from '../../tree/tree.ts';
import type { WorkingTree } from '../../tree/workingTree.ts';
import type { CopyItem } from './copySources.ts';

const KEPT_XATTR = 'security.capability' as ByteString;

/** How COPY and ADD write: BuildKit's rules. */
export interface CopyRules {
  /** Absent: as in the source. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** What --chmod makes of a mode; absent: as in the source. */
  readonly chmod?: (mode: number, isDirectory: boolean) => number;
  /** Of directories that are made on the way. */
  readonly now: Timestamp;
  /** Paths relative to a copied directory that are left out. */
  readonly excludes?: (path: TreePath, isDirectory: boolean) => boolean;
}

/**
 * Copies what `items` name in `source` to `target` (absolute, a trailing slash means a directory), as BuildKit does: of a directory
 * its contents; a file into a directory that is there under its own name; links in the way to the target are followed inside
 * the root, links inside a copied directory are copied.
 * @throws BuildError `COPY_TYPE_CONFLICT` when a directory would replace a file or a file a directory
 */
export function copyFiles(
  source: Tree,
  items: readonly CopyItem[],
  destination: WorkingTree,
  target: string,
  rules: CopyRules,
): void {
  for (const item of items) {
    const entry = source.entry(item.node);
    // Each source is a copy of its own, so hard links are kept within one only.
    const copier = new Copier(source, destination, rules);
    if (entry.type !== 'directory' && rules.excludes?.(item.name, false) === true) continue;
    const directory = makeDirectories(destination, target.endsWith('/') ? target : dirname(target), rules);
    const found = resolvePath(destination, fromText(target));
    if (entry.type === 'directory') {
      const into = found.node ?? copier.create(found.components, entry);
      requireDirectory(destination, into, target);
      destination.touch(into);
      copier.copyContents(item.node, into, ROOT_PATH);
    } else if (found.node !== undefined && destination.entry(found.node).type === 'directory') {
      copier.copy(item.node, found.node, item.name, ROOT_PATH);
    } else {
      const components = found.components;
      const parent =
        components.length === 0 ? directory : makeDirectories(destination, components.slice(0, -1).join('/'), rules);
      copier.copy(item.node, parent, components[components.length - 1] ?? item.name, ROOT_PATH);
    }
  }
}

/**
 * `COPY --parents`: each item keeps the directories it lies in, below `target`; those that are made have their source's attributes.
 * @param dropped how many leading components of the items' paths are left out
 */
export function copyWithParents(
  source: Tree,
  items: readonly CopyItem[],
  dropped: number,
  destination: WorkingTree,
  target: string,
  rules: CopyRules,
): void {
  for (const item of items) {
    const copier = new Copier(source, destination, rules);
    let from = source.root;
    let into = makeDirectories(destination, target, rules);
    const components = componentsOf(item.path);
    for (const [depth, name] of components.slice(0, -1).entries()) {
      from = source.child(from, name) ?? from;
      if (depth >= dropped) into = copier.enter(from, into, name);
    }
    if (components.length <= dropped) copier.copyContents(item.node, into, ROOT_PATH);
    else copier.copy(item.node, into, item.name, ROOT_PATH);
  }
}

/** Makes a directory and those above it, links followed; returns its node. Those that are there stay as they are. */
export function makeDirectories(
  tree: WorkingTree,
  path: string,
  rules: Pick<CopyRules, 'owner' | 'chmod' | 'now'>,
): NodeId {
  const { components, node } = resolvePath(tree, fromText(path));
  if (node !== undefined) {
    requireDirectory(tree, node, path);
    return node;
  }
  const owner = rules.owner ?? { uid: 0, gid: 0 };
  const mode = rules.chmod?.(0o755, true) ?? 0o755;
  let at = tree.root;
  for (const name of components) {
    const child = tree.child(at, name);
    if (child !== undefined) requireDirectory(tree, child, path);
    at = child ?? tree.put(at, name, newEntry('directory', { mode, ...owner, mtime: rules.now }));
  }
  return at;
}

class Copier {
  readonly #source: Tree;
  readonly #destination: WorkingTree;
  readonly #rules: CopyRules;
  readonly #links = new Map<number, object>();

  constructor(source: Tree, destination: WorkingTree, rules: CopyRules) {
    this.#source = source;
    this.#destination = destination;
    this.#rules = rules;
  }

  /** The directory at a path that is not there yet, with the attributes of its source. */
  create(components: readonly ByteString[], entry: Entry): NodeId {
    const parent = makeDirectories(this.#destination, components.slice(0, -1).join('/'), this.#rules);
    return this.#destination.put(parent, components[components.length - 1] ?? ('' as ByteString), this.#written(entry));
  }

  /** The directory `name` in `into`; made like `from` if it is missing. */
  enter(from: NodeId, into: NodeId, name: ByteString): NodeId {
    const existing = this.#destination.child(into, name);
    if (existing === undefined) return this.#destination.put(into, name, this.#written(this.#source.entry(from)));
    requireDirectory(this.#destination, existing, toText(name));
    return existing;
  }

  copyContents(from: NodeId, into: NodeId, path: TreePath): void {
    for (const name of this.#source.names(from)) {
      const child = this.#source.child(from, name);
      if (child !== undefined) this.copy(child, into, name, joinTreePath(path, name));
    }
  }

  /** `path` is relative to the copied directory; '' for a source itself, which is never left out. */
  copy(from: NodeId, into: NodeId, name: ByteString, path: TreePath): void {
    const entry = this.#source.entry(from);
    const existing = this.#destination.child(into, name);
    if (path !== '' && this.#rules.excludes?.(path, entry.type === 'directory') === true) return;
    if (entry.type === 'directory') {
      if (existing !== undefined) requireDirectory(this.#destination, existing, toText(path));
      const made = this.#destination.put(into, name, this.#written(entry));
      this.copyContents(from, made, path);
      return;
    }
    if (existing !== undefined && this.#destination.entry(existing).type === 'directory') {
      throw new BuildError('COPY_TYPE_CONFLICT', `cannot replace directory ${toText(name)} with a file`, {
        hint: 'Remove the directory in an earlier RUN, or copy to another name.',
      });
    }
    this.#destination.put(into, name, this.#written(entry), ...this.#fileOf(from, entry));
  }

  #fileOf(node: NodeId, entry: Entry): [content?: Content, link?: object] {
    if (entry.type !== 'file') return [];
    const inode = this.#source.inode(node);
    const link = this.#links.get(inode) ?? {};
    this.#links.set(inode, link);
    return [this.#source.content(node), link];
  }

  #written(entry: Entry): Entry {
    const { owner, chmod } = this.#rules;
    return {
      ...entry,
      ...owner,
      mode:
        chmod === undefined || entry.type === 'symlink' ? entry.mode : chmod(entry.mode, entry.type === 'directory'),
      xattrs: keptXattrs(entry.xattrs),
    };
  }
}

/** BuildKit copies file capabilities and no other attribute. */
export function keptXattrs(xattrs: Xattrs): Xattrs {
  const capability = xattrs.get(KEPT_XATTR);
  return new Map(capability === undefined ? [] : [[KEPT_XATTR, capability]]);
}

function requireDirectory(tree: WorkingTree, node: NodeId, path: string): void {
  if (tree.entry(node).type === 'directory') return;
  throw new BuildError('COPY_TYPE_CONFLICT', `cannot copy to non-directory: /${cleanTreePath(path)}`, {
    hint: 'A file or link stands where a directory is needed: remove it in an earlier RUN.',
  });
}

function dirname(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}
