import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { hashFiles } from '../layer/hashFiles.ts';
import type { Layer } from '../image/image.ts';
import type { Content, Entry } from '../tree/entry.ts';
import { joinTreePath } from '../tree/path.ts';
import type { NodeId, Tree, TreePath } from '../tree/tree.ts';

const CHUNK = 1 << 20;

export interface FingerprintOptions {
  readonly readBlob: (layer: Layer) => AsyncIterable<Uint8Array>;
  /** Paths relative to a node that do not count. */
  readonly excludes?: (path: TreePath, isDirectory: boolean) => boolean;
}

/**
 * A digest of what lies at some nodes of a tree: names, types, modes, owners, link targets, hard links, devices, file capabilities and contents; no
 * times. Each layer that holds contents is read once.
 */
export async function fingerprint(
  tree: Tree,
  nodes: readonly { readonly node: NodeId; readonly name: string }[],
  options: FingerprintOptions,
): Promise<string> {
  const files = [...listFiles(tree, nodes, options)];
  const contents = await contentDigests(files, options.readBlob);
  const hash = createHash('sha256');
  const firstNames = new Map<number, number>();
  for (const [index, { path, entry, content, inode }] of files.entries()) {
    // Whether two names are one file shows in the layer.
    const first = firstNames.get(inode) ?? index;
    firstNames.set(inode, first);
    const { type, mode, uid, gid, size, linkTarget, deviceMajor, deviceMinor, xattrs } = entry;
    const digest = content === undefined ? '' : (contents.get(content) ?? '');
    const capability = [...xattrs].find(([name]) => name === 'security.capability')?.[1] ?? '';
    for (const field of [
      path,
      type,
      mode,
      uid,
      gid,
      size,
      linkTarget,
      deviceMajor,
      deviceMinor,
      capability,
      digest,
      first,
    ]) {
      const text = String(field);
      hash.update(`${text.length}:`).update(text, 'latin1');
    }
  }
  return hash.digest('hex');
}

interface ListedFile {
  readonly path: TreePath;
  readonly entry: Entry;
  readonly inode: number;
  /** Of a regular file that is not empty. */
  readonly content: Content | undefined;
}

function* listFiles(
  tree: Tree,
  nodes: readonly { readonly node: NodeId; readonly name: string }[],
  { excludes }: FingerprintOptions,
): Generator<ListedFile> {
  function* walk(node: NodeId, path: TreePath, inside: TreePath): Generator<ListedFile> {
    const entry = tree.entry(node);
    const content = entry.type === 'file' && entry.size > 0 ? tree.content(node) : undefined;
    yield { path, entry, content, inode: tree.inode(node) };
    for (const name of entry.type === 'directory' ? tree.names(node) : []) {
      const child = tree.child(node, name);
      if (child === undefined) continue;
      const below = joinTreePath(inside, name);
      if (excludes?.(below, tree.entry(child).type === 'directory') === true) continue;
      yield* walk(child, joinTreePath(path, name), below);
    }
  }
  for (const { node, name } of nodes) yield* walk(node, name as TreePath, '' as TreePath);
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
      offsets.set(content.offset, [...(offsets.get(content.offset) ?? []), content]);
    } else digests.set(content, content.kind === 'bytes' ? sha256(content.bytes) : hashFile(content.path));
  }
  await Promise.all(
    [...wanted].map(async ([layer, offsets]) => {
      const hashes = await hashFiles(readBlob(layer), layer, new Set(offsets.keys()));
      for (const [offset, contents] of offsets) {
        for (const content of contents) digests.set(content, hashes.get(offset) ?? '');
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
