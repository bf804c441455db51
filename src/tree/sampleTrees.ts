import { fromText, toText, type ByteString } from '../byteString.ts';
import { digestOf } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';
import type { TarHeader } from '../tar/header.ts';
import type { Change, Changes } from './change.ts';
import { newEntry, type Entry } from './entry.ts';
import { LayerListing } from './layerListing.ts';
import { LayerTree } from './layerTree.ts';
import { joinTreePath, ROOT_PATH } from './path.ts';
import type { NodeId, Tree, TreePath } from './tree.ts';
import { whiteoutPath } from './whiteout.ts';

// For tests: layers from headers, and trees as text.

type Attributes = Partial<Omit<Entry, 'type'>>;

export function file(path: string, attributes: Attributes = {}): TarHeader {
  return { ...newEntry('file', { mode: 0o644, ...attributes }), path: fromText(path) };
}

export function directory(path: string, attributes: Attributes = {}): TarHeader {
  return { ...newEntry('directory', { mode: 0o755, ...attributes }), path: fromText(path) };
}

export function symlink(path: string, target: string): TarHeader {
  return { ...newEntry('symlink', { mode: 0o777, linkTarget: fromText(target) }), path: fromText(path) };
}

export function hardlink(path: string, target: string): TarHeader {
  return { ...newEntry('file', { mode: 0o644, linkTarget: fromText(target) }), type: 'hardlink', path: fromText(path) };
}

/** Offsets are 512, 1024, … in the order of the headers. */
export function listingOf(headers: readonly TarHeader[]): LayerListing {
  const listing = LayerListing.empty();
  for (const [index, header] of headers.entries()) listing.append(header, (index + 1) * 512);
  return listing;
}

/** A layer that lies nowhere, named by a number. */
export function layerNamed(name: number): Layer {
  const digest = digestOf(`layer ${name}`);
  return {
    descriptor: { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 1 },
    diffId: digest,
    locations: [],
  };
}

/** Layers bottom first. */
export function treeOf(...layers: readonly (readonly TarHeader[])[]): LayerTree {
  const tree = LayerTree.empty();
  for (const [index, headers] of layers.entries()) tree.applyLayer(layerNamed(index), listingOf(headers));
  return tree;
}

/**
 * What a tree shows, a line for each path: `a/b file 644 0:0 12`, `a dir 755 0:0`, `l -> target`; a name of a file that has been seen
 * before is `b = a`. Sorted as a walk meets them.
 */
export function textOf(tree: Tree): string[] {
  const lines: string[] = [];
  const first = new Map<number, TreePath>();
  const walk = (node: NodeId, path: TreePath): void => {
    for (const name of tree.names(node)) {
      const child = tree.child(node, name);
      if (child === undefined) throw new Error(`${name} is listed but not there`);
      const at = joinTreePath(path, name);
      const entry = tree.entry(child);
      const same = entry.type === 'directory' ? undefined : first.get(tree.inode(child));
      lines.push(same === undefined ? lineOf(at, entry) : `${toText(at)} = ${toText(same)}`);
      if (same === undefined) first.set(tree.inode(child), at);
      if (entry.type === 'directory') walk(child, at);
    }
  };
  walk(tree.root, ROOT_PATH);
  return lines;
}

function lineOf(path: ByteString, { type, mode, uid, gid, size, linkTarget }: Entry): string {
  const name = toText(path);
  if (type === 'symlink') return `${name} -> ${toText(linkTarget)}`;
  const attributes = `${mode.toString(8)} ${uid}:${gid}`;
  return type === 'file' ? `${name} file ${attributes} ${size}` : `${name} ${type} ${attributes}`;
}

/** Puts the layer that changes make on a tree. */
export function applyTo(tree: LayerTree, changes: Changes): void {
  tree.applyLayer(layerNamed(99), listingOf(changes.map(headerOf)));
}

function headerOf(change: Change): TarHeader {
  switch (change.kind) {
    case 'put':
      return { ...change.entry, path: change.path };
    case 'link':
      return { ...change.entry, type: 'hardlink', path: change.path, linkTarget: change.target };
    case 'remove':
    case 'opaque':
      return { ...newEntry('file', {}), path: whiteoutPath(change) };
  }
}
