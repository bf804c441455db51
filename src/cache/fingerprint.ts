import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { hashFiles } from '../layer/hashFiles.ts';
import type { Layer } from '../image/image.ts';
import type { Content, Entry } from '../tree/entry.ts';
import { componentsOf, joinTreePath } from '../tree/path.ts';
import type { NodeId, Tree, TreePath } from '../tree/tree.ts';

const CHUNK = 1 << 20;

/** Something whose files count. */
export interface FingerprintItem {
  readonly node: NodeId;
  /** What it is called where it goes; '' if its own name does not show there. */
  readonly name: string;
  /** Where it was found. */
  readonly path: TreePath;
  /** Whether the attributes of the directories above it count too. */
  readonly withAncestors?: boolean;
}

export interface FingerprintOptions {
  readonly readBlob: (layer: Layer) => AsyncIterable<Uint8Array>;
  /** Paths relative to an item that do not count. */
  readonly excludes?: (path: TreePath, isDirectory: boolean) => boolean;
  /** What counts of mode and owner. Default: as they are. */
  readonly attributes?: (entry: Entry) => FileAttributes;
}

export type FileAttributes = Pick<Entry, 'mode' | 'uid' | 'gid'>;

export interface Fingerprint {
  readonly digest: string;
  /** What each file gave to the digest, by where it was found. */
  readonly files: readonly { readonly path: TreePath; readonly digest: string }[];
}

/**
 * A digest of what lies at some nodes of a tree: names, types, modes, owners, link targets, hard links, devices, xattrs and contents; no
 * times. Each layer that holds contents is read once.
 * @throws BuildError if a layer can't be read
 */
export async function fingerprint(
  tree: Tree,
  items: readonly FingerprintItem[],
  options: FingerprintOptions,
): Promise<Fingerprint> {
  const listed = [...listFiles(tree, items, options)];
  const contents = await contentDigests(listed, options.readBlob);
  const { attributes = (entry: Entry): FileAttributes => entry } = options;
  const total = createHash('sha256');
  const firstNames = new Map<number, number>();
  const files = listed.map(({ item, name, path, entry, content, inode }, index) => {
    const digest = entryDigest(entry, attributes(entry), content === undefined ? '' : contents.get(content));
    // Whether two names are one file shows in the layer.
    const first = firstNames.get(inode) ?? index;
    firstNames.set(inode, first);
    total.update(framed([item, name, digest, first]), 'latin1');
    return { path, digest };
  });
  return { digest: total.digest('hex'), files };
}

function entryDigest(entry: Entry, { mode, uid, gid }: FileAttributes, content: string | undefined): string {
  if (content === undefined) throw new Error('the content of a file was not read');
  const { type, size, linkTarget, deviceMajor, deviceMinor } = entry;
  const xattrs = [...entry.xattrs].sort(([a], [b]) => (a < b ? -1 : 1)).flat();
  const fields = [type, mode, uid, gid, size, linkTarget, deviceMajor, deviceMinor, content, ...xattrs];
  return createHash('sha256').update(framed(fields), 'latin1').digest('hex');
}

/** Every field with its length, so that it shows where one ends. Texts are of bytes. */
function framed(fields: readonly (string | number)[]): string {
  return fields.map((field) => `${String(field).length}:${field}`).join('');
}

interface ListedFile {
  /** Which of the items it belongs to. */
  readonly item: number;
  readonly name: TreePath;
  readonly path: TreePath;
  readonly entry: Entry;
  readonly inode: number;
  /** Of a regular file that is not empty. */
  readonly content: Content | undefined;
}

function* listFiles(
  tree: Tree,
  items: readonly FingerprintItem[],
  { excludes }: FingerprintOptions,
): Generator<ListedFile> {
  function* walk(item: number, node: NodeId, name: TreePath, path: TreePath, inside: TreePath): Generator<ListedFile> {
    const entry = tree.entry(node);
    const content = entry.type === 'file' && entry.size > 0 ? tree.content(node) : undefined;
    yield { item, name, path, entry, content, inode: tree.inode(node) };
    for (const child of entry.type === 'directory' ? tree.names(node) : []) {
      const below = tree.child(node, child);
      if (below === undefined) continue;
      const relative = joinTreePath(inside, child);
      if (excludes?.(relative, tree.entry(below).type === 'directory') === true) continue;
      yield* walk(item, below, joinTreePath(name, child), joinTreePath(path, child), relative);
    }
  }
  for (const [index, { node, name, path, withAncestors }] of items.entries()) {
    if (withAncestors === true) yield* ancestors(tree, index, path);
    yield* walk(index, node, name as TreePath, path, '' as TreePath);
  }
}

/** The directories on the way to a path, links not followed. */
function* ancestors(tree: Tree, item: number, path: TreePath): Generator<ListedFile> {
  let node = tree.root;
  let at = '' as TreePath;
  for (const name of componentsOf(path).slice(0, -1)) {
    const child = tree.child(node, name);
    if (child === undefined) return;
    node = child;
    at = joinTreePath(at, name);
    yield { item, name: at, path: at, entry: tree.entry(node), inode: tree.inode(node), content: undefined };
  }
}

async function contentDigests(
  files: readonly ListedFile[],
  readBlob: FingerprintOptions['readBlob'],
): Promise<Map<Content, string>> {
  const digests = new Map<Content, string>();
  const wanted = new Map<Layer, Map<number, Content[]>>();
  for (const { content } of files) {
    if (content === undefined) continue;
    if (content.kind === 'layer') {
      const offsets = wanted.get(content.layer) ?? new Map<number, Content[]>();
      wanted.set(content.layer, offsets);
      const same = offsets.get(content.offset);
      if (same === undefined) offsets.set(content.offset, [content]);
      else same.push(content);
    } else digests.set(content, content.kind === 'bytes' ? sha256(content.bytes) : hashFile(content.path));
  }
  await Promise.all(
    [...wanted].map(async ([layer, offsets]) => {
      const hashes = await hashFiles(readBlob(layer), layer, new Set(offsets.keys()));
      for (const [offset, contents] of offsets) {
        const hash = hashes.get(offset);
        if (hash !== undefined) for (const content of contents) digests.set(content, hash);
      }
    }),
  );
  return digests;
}

function hashFile(path: string | Buffer): string {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const hash = createHash('sha256');
    const chunk = Buffer.allocUnsafe(CHUNK);
    for (let read = CHUNK; read > 0;) {
      read = readSync(descriptor, chunk, 0, CHUNK, null);
      hash.update(chunk.subarray(0, read));
    }
    return hash.digest('hex');
  } finally {
    closeSync(descriptor);
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
