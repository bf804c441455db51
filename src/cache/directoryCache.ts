import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError, hasErrno } from '../errors.ts';
import type { Layer } from '../image/image.ts';
import { openBlobStore, type BlobStore } from '../store/blobStore.ts';
import { LayerListing } from '../tree/layerListing.ts';
import { decodeEntry, encodeEntry } from './cacheEntry.ts';
import type { LayerCache } from './layerCache.ts';

export interface DirectoryCacheOptions {
  /** `--cache-repo=oci:<directory>`. */
  readonly directory: string;
  /** Where this build's blobs are. */
  readonly store: BlobStore;
  readonly warn: (message: string) => void;
}

/**
 * A directory: blobs by digest, `entries/<key>` beside them. Whatever is there was written whole. A layer that is found is taken over
 * into the build's own store when it is read.
 */
export function createDirectoryCache({ directory, store, warn }: DirectoryCacheOptions): LayerCache {
  const entries = join(directory, 'entries');
  return {
    name: directory,
    async find(key) {
      try {
        const { continues, created, layer: recorded } = decodeEntry(readFileSync(join(entries, key)));
        if (recorded === undefined) return { continues, created };
        const { mediaType, digest, size, diffId } = recorded;
        const blobs = openBlobStore(join(directory, 'blobs'));
        if (blobs.has(digest) !== size) {
          throw new BuildError('CACHE_ENTRY_INVALID', `its layer ${digest} is not there`);
        }
        const encoded = readFileSync(join(entries, `${key}.listing`));
        if (store.has(digest) !== size) store.importFile(blobs.path(digest), { digest, size });
        const layer: Layer = { descriptor: { mediaType, digest, size }, diffId, locations: [{ kind: 'store' }] };
        return { continues, created, layer, listing: async () => LayerListing.decode(encoded) };
      } catch (error) {
        if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
        if (!(error instanceof BuildError)) throw error;
        warn(`Cache ${directory}: ${error.message}; the step is executed`);
        return undefined;
      }
    },
    async put(key, { entry, layer, listing }) {
      mkdirSync(entries, { recursive: true });
      if (layer !== undefined && listing !== undefined) {
        const { digest, size } = layer.descriptor;
        const blobs = openBlobStore(join(directory, 'blobs'));
        if (blobs.has(digest) !== size) blobs.importFile(store.path(digest), { digest, size });
        writeWhole(join(entries, `${key}.listing`), listing.encode());
      }
      writeWhole(join(entries, key), encodeEntry(entry));
    },
  };
}

function writeWhole(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, bytes);
  renameSync(temporary, path);
}
