import { createHash, type Hash } from 'node:crypto';
import type { Digest } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';
import { readLayer } from '../layer/readLayer.ts';
import { LayerListing } from '../tree/layerListing.ts';
import { LayerTree } from '../tree/layerTree.ts';
import type { NodeId, Tree } from '../tree/tree.ts';
import { ContentDigests } from './contentDigests.ts';
import type { ImageSource } from './imageSource.ts';

/** An image's merged file system with the digests of its files. No file content is kept. */
export interface Rootfs {
  readonly tree: Tree;
  /** sha256, in hexadecimal, of a regular file's content. */
  contentDigest(node: NodeId): string;
}

interface LayerContents {
  readonly listing: LayerListing;
  readonly digests: ContentDigests;
}

/** Layers by diffID: one that two images share is read once. */
export type SharedLayers = Map<Digest, Promise<LayerContents>>;

/**
 * Reads every layer once, in one pass, and merges them.
 * @throws BuildError `DIFF_ID_MISMATCH`, `LAYER_INVALID`, `TAR_INVALID` and what the source's blobs throw
 */
export async function readRootfs(image: ImageSource, shared: SharedLayers): Promise<Rootfs> {
  const tree = LayerTree.empty();
  const digests = new Map<Layer, ContentDigests>();
  for (const layer of image.layers) {
    const contents = await (shared.get(layer.diffId) ?? readContents(image, layer, shared));
    tree.applyLayer(layer, contents.listing);
    digests.set(layer, contents.digests);
  }
  return {
    tree,
    contentDigest(node) {
      const content = tree.content(node);
      if (content.kind !== 'layer') throw new Error('a file of an image lies in a layer');
      return digests.get(content.layer)?.find(content.offset) ?? '';
    },
  };
}

function readContents(image: ImageSource, layer: Layer, shared: SharedLayers): Promise<LayerContents> {
  const contents = listContents(image, layer);
  shared.set(layer.diffId, contents);
  return contents;
}

async function listContents(image: ImageSource, layer: Layer): Promise<LayerContents> {
  const listing = LayerListing.empty();
  const digests = new ContentDigests();
  let hash: Hash | undefined;
  let start = 0;
  await readLayer(image.open(layer), layer, {
    entry(header, offset) {
      listing.append(header, offset);
      start = offset;
      hash = header.type === 'file' ? createHash('sha256') : undefined;
    },
    data(chunk) {
      hash?.update(chunk);
    },
    endEntry() {
      if (hash !== undefined) digests.append(start, hash.digest());
      hash = undefined;
    },
  });
  return { listing, digests };
}
