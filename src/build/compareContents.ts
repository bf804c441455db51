import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { hasErrno } from '../errors.ts';
import type { Layer } from '../image/image.ts';
import { hashFiles } from '../layer/hashFiles.ts';
import type { ContentPair } from '../rootfs/rootfs.ts';
import { componentsOf } from '../tree/path.ts';
import type { Content } from '../tree/entry.ts';
import type { Tree, TreePath } from '../tree/tree.ts';
import type { ReadBlob } from './localContents.ts';

/** Says for each pair whether a file on disk still holds what the tree has there. A layer is read once for all files wanted of it. */
export async function compareContents(
  pairs: readonly ContentPair[],
  tree: Tree,
  readBlob: ReadBlob,
): Promise<readonly boolean[]> {
  const contents = pairs.map(({ path }) => contentAt(tree, path));
  const wanted = new Map<Layer, Set<number>>();
  for (const content of contents) {
    if (content?.kind !== 'layer') continue;
    const offsets = wanted.get(content.layer);
    if (offsets === undefined) wanted.set(content.layer, new Set([content.offset]));
    else offsets.add(content.offset);
  }
  const digests = new Map<Layer, Map<number, string>>();
  for (const [layer, offsets] of wanted) digests.set(layer, await hashFiles(readBlob(layer), layer, offsets));
  return pairs.map(({ disk }, index) => {
    const content = contents[index];
    if (content === undefined) return false;
    return digestOf(content, digests) === hashDisk(disk);
  });
}

function contentAt(tree: Tree, path: TreePath): Content | undefined {
  let node: number | undefined = tree.root;
  for (const name of componentsOf(path)) node = node === undefined ? undefined : tree.child(node, name);
  return node === undefined ? undefined : tree.content(node);
}

function digestOf(content: Content, digests: ReadonlyMap<Layer, ReadonlyMap<number, string>>): string | undefined {
  switch (content.kind) {
    case 'layer':
      return digests.get(content.layer)?.get(content.offset);
    case 'bytes':
      return createHash('sha256').update(content.bytes).digest('hex');
    case 'disk':
      return hashDisk(content.path);
  }
}

const CHUNK = 256 * 1024;

/** Undefined if it is gone, or no regular file any more. */
function hashDisk(path: string | Buffer): string | undefined {
  const hash = createHash('sha256');
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const buffer = Buffer.allocUnsafe(CHUNK);
      for (let read = readSync(descriptor, buffer); read > 0; read = readSync(descriptor, buffer)) {
        hash.update(buffer.subarray(0, read));
      }
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ELOOP', 'ENXIO', 'EISDIR')) return undefined;
    throw error;
  }
  return hash.digest('hex');
}
