import { toText, type ByteString } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import type { Layer } from '../image/image.ts';
import type { TarHeader } from '../tar/header.ts';
import { newEntry, type Content, type Entry } from './entry.ts';
import { InodeTable } from './inodeTable.ts';
import type { LayerListing } from './layerListing.ts';
import { NameTable } from './nameTable.ts';
import { baseName, cleanTreePath, componentsOf, joinTreePath, parentOf } from './path.ts';
import { resolveComponents } from './resolve.ts';
import type { NodeId, Tree, TreePath } from './tree.ts';
import { whiteoutOf } from './whiteout.ts';

/** Where an entry of a layer's tar lies. */
export interface EntryPlace {
  readonly path: TreePath;
  /** Of a hardlink. */
  readonly target?: TreePath;
}

/**
 * A file system merged from layers by the rules of the OCI image specification (layer.md), held in columns: a million entries
 * fit in 250 MB. It grows by whole layers; a stage that starts from another one's result takes a `clone`.
 */
export class LayerTree implements Tree {
  readonly root: NodeId;
  readonly #names: NameTable;
  readonly #inodes: InodeTable;
  readonly #layers: Layer[];
  /** The directory that the last entry went into, by its path as the archive has it: most entries share it with the one before. */
  #lastParent: (Place & { readonly written: string }) | undefined;

  private constructor(names: NameTable, inodes: InodeTable, layers: Layer[]) {
    this.#names = names;
    this.#inodes = inodes;
    this.#layers = layers;
    this.root = 0;
  }

  /** Nothing but a root directory, 0755 and root's. */
  static empty(): LayerTree {
    const inodes = InodeTable.empty();
    const names = NameTable.empty(inodes.add(IMPLIED_DIRECTORY, 0, 0));
    return new LayerTree(names, inodes, []);
  }

  clone(): LayerTree {
    return new LayerTree(this.#names.clone(), this.#inodes.clone(), [...this.#layers]);
  }

  get layers(): readonly Layer[] {
    return this.#layers;
  }

  child(directory: NodeId, name: ByteString): NodeId | undefined {
    return this.#names.find(directory, name);
  }

  names(directory: NodeId): readonly ByteString[] {
    return this.#names.childNames(directory);
  }

  entry(node: NodeId): Entry {
    return this.#inodes.entry(this.#names.inode(node));
  }

  inode(node: NodeId): number {
    return this.#names.inode(node);
  }

  content(node: NodeId): Content {
    const inode = this.#names.inode(node);
    const layer = this.#layers[this.#inodes.layer(inode)];
    if (layer === undefined) throw new Error('an implied directory has no content');
    return { kind: 'layer', layer, offset: this.#inodes.offset(inode) };
  }

  /**
   * Puts a layer on top. Whiteouts hide lower layers only, wherever they stand in the archive; parents that are links are
   * followed inside the root; missing parents are made 0755 and root's; a hardlink may come before its target.
   * @throws BuildError `LAYER_INVALID` for a hardlink without target, or a root that is no directory
   */
  applyLayer(layer: Layer, listing: LayerListing): void {
    this.#layers.push(layer);
    const early: TarHeader[] = [];
    for (const { header } of listing) this.#applyWhiteout(header);
    for (const { header, offset } of listing) this.#applyEntry(header, offset, layer, early);
    for (const header of early) this.#applyEntry(header, 0, layer, undefined);
    this.#lastParent = undefined;
  }

  /** Where each entry of a layer lies once links on the way are followed, in archive order; asked before the layer is applied. */
  placesOf(layer: Layer, listing: LayerListing): EntryPlace[] {
    const copy = this.clone();
    copy.#layers.push(layer);
    for (const { header } of listing) copy.#applyWhiteout(header);
    const places: EntryPlace[] = [];
    for (const { header, offset } of listing) {
      const { path, name } = copy.#place(header.path);
      const place = { path: name === '' ? path : joinTreePath(path, name) };
      places.push(header.type === 'hardlink' ? { ...place, target: copy.#realPath(header.linkTarget) } : place);
      copy.#applyEntry(header, offset, layer, []);
    }
    return places;
  }

  #applyWhiteout(header: TarHeader): void {
    const whiteout = whiteoutOf(header.path);
    if (whiteout === undefined || whiteout.kind === 'nothing') return;
    const isOpaque = whiteout.kind === 'opaque';
    const path = isOpaque ? whiteout.path : parentOf(whiteout.path);
    const directory = resolveComponents(this, componentsOf(path)).node;
    if (directory === undefined) return;
    if (isOpaque) this.#names.removeAll(directory);
    else this.#names.remove(directory, baseName(whiteout.path));
  }

  /** A hardlink without a target is put into `early`, to be tried again without. */
  #applyEntry(header: TarHeader, offset: number, layer: Layer, early: TarHeader[] | undefined): void {
    if (whiteoutOf(header.path) !== undefined) return;
    const { directory, name } = this.#place(header.path);
    if (name === '') return this.#applyRoot(header, layer);
    if (header.type === 'hardlink') {
      const target = this.#linkTarget(header, layer, early);
      if (target === undefined) return;
      if (this.#names.find(directory, name) === target) return;
      const inode = this.#names.inode(target);
      this.#remove(directory, name);
      this.#names.add(directory, name, inode);
      return;
    }
    const entry = entryOf(header);
    const existing = this.#names.find(directory, name);
    if (existing !== undefined && entry.type === 'directory') {
      const inode = this.#names.inode(existing);
      if (this.#inodes.isDirectory(inode)) {
        this.#inodes.set(inode, entry, this.#layers.length - 1, offset);
        return;
      }
    }
    if (existing !== undefined) this.#remove(directory, name);
    this.#names.add(directory, name, this.#inodes.add(entry, this.#layers.length - 1, offset));
  }

  #remove(directory: NodeId, name: ByteString): void {
    this.#names.remove(directory, name);
    this.#lastParent = undefined;
  }

  /** Where an entry goes: its directory, links followed and made if need be, and its name; the root has the name ''. */
  #place(path: ByteString): Place & { readonly name: ByteString } {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1) as ByteString;
    const parent = path.slice(0, slash + 1);
    if (name !== '' && name !== '.' && name !== '..') {
      if (this.#lastParent?.written !== parent) {
        this.#lastParent = { written: parent, ...this.#directory(splitPath(path).parent) };
      }
      return { directory: this.#lastParent.directory, path: this.#lastParent.path, name };
    }
    const cleaned = splitPath(path);
    return { ...this.#directory(cleaned.parent), name: cleaned.name };
  }

  #applyRoot(header: TarHeader, layer: Layer): void {
    if (header.type !== 'directory') {
      throw new BuildError(
        'LAYER_INVALID',
        `layer ${layer.descriptor.digest} replaces the root directory by a ${header.type}`,
      );
    }
    this.#inodes.set(this.#names.inode(this.root), entryOf(header), this.#layers.length - 1, 0);
  }

  #linkTarget(header: TarHeader, layer: Layer, early: TarHeader[] | undefined): NodeId | undefined {
    const { parent, name } = splitPath(header.linkTarget);
    const directory = resolveComponents(this, parent).node;
    const target = directory === undefined ? undefined : this.#names.find(directory, name);
    if (target === undefined && early !== undefined) {
      early.push(header);
      return undefined;
    }
    if (target === undefined || this.#inodes.isDirectory(this.#names.inode(target))) {
      throw new BuildError(
        'LAYER_INVALID',
        `layer ${layer.descriptor.digest}: ${toText(header.path)} is a hard link to ${toText(header.linkTarget)}, ` +
          (target === undefined ? 'which does not exist' : 'which is a directory'),
      );
    }
    return target;
  }

  /** A hardlink's target with the links on the way followed; the target itself may be one. */
  #realPath(target: ByteString): TreePath {
    const { parent, name } = splitPath(target);
    return joinTreePath(resolveComponents(this, parent).path, name);
  }

  /** The directory a path leads to, links followed; made where it is missing, put in the place of what is no directory. */
  #directory(components: readonly ByteString[]): Place {
    const resolved = resolveComponents(this, components);
    const { node, path } = resolved;
    if (node !== undefined && this.#inodes.isDirectory(this.#names.inode(node))) return { directory: node, path };
    let directory = this.root;
    for (const name of resolved.components) {
      let child = this.#names.find(directory, name);
      if (child !== undefined && !this.#inodes.isDirectory(this.#names.inode(child))) {
        this.#remove(directory, name);
        child = undefined;
      }
      directory = child ?? this.#names.add(directory, name, this.#inodes.add(IMPLIED_DIRECTORY, 0, 0));
    }
    return { directory, path };
  }
}

interface Place {
  readonly directory: NodeId;
  /** Of the directory. */
  readonly path: TreePath;
}

const IMPLIED_DIRECTORY = newEntry('directory', { mode: 0o755 });

function entryOf(header: TarHeader): Entry {
  const { mode, uid, gid, size, mtime, linkTarget, deviceMajor, deviceMinor, xattrs } = header;
  if (header.type === 'hardlink') throw new Error('a hard link has no entry of its own');
  return { type: header.type, mode, uid, gid, size, mtime, linkTarget, deviceMajor, deviceMinor, xattrs };
}

/** Cleaned lexically first, as containerd does, so that `..` can't leave the root. */
function splitPath(path: ByteString): { parent: ByteString[]; name: ByteString } {
  const components = cleanTreePath(path).split('/') as ByteString[];
  const name = components.pop() ?? ('' as ByteString);
  return { parent: components, name };
}
