import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError, hasErrno, messageOf } from '../errors.ts';
import { digestHex } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';
import { openBlobStore, type BlobStore } from '../store/blobStore.ts';
import { LayerListing } from '../tree/layerListing.ts';
import { decodeEntry, encodeEntry } from './cacheEntry.ts';
import type { CachedStep, LayerCache, StepToCache } from './layerCache.ts';

export interface DirectoryCacheOptions {
  /** For messages. */
  readonly name: string;
  /** Where it lies now, absolute: `/` may be borrowed meanwhile. */
  readonly directory: () => string;
  /** Where this build's blobs are. */
  readonly store: BlobStore;
  /** Makes sure that a layer's blob is on this disk, and says where. */
  readonly localBlob: (layer: Layer) => Promise<string>;
}

/**
 * A directory: blobs by digest, `entries/<key>` beside them. Whatever is there was written whole. A layer that is found is taken over
 * into the build's own store, and verified on its way. Reading changes nothing, so the directory may be read-only.
 */
export function createDirectoryCache({ name, directory, store, localBlob }: DirectoryCacheOptions): LayerCache {
  const entries = (...file: readonly string[]): string => join(directory(), 'entries', ...file);
  const blobs = (): string => join(directory(), 'blobs');
  const find = (key: string): CachedStep | undefined => {
    const bytes = readIfThere(entries(key));
    if (bytes === undefined) return undefined;
    const { layer: recorded, ...entry } = decodeEntry(bytes);
    if (recorded === undefined) return entry;
    const { mediaType, digest, size, diffId } = recorded;
    const path = join(blobs(), 'sha256', digestHex(digest));
    if (statSync(path, { throwIfNoEntry: false })?.size !== size) {
      throw new BuildError('CACHE_ENTRY_INVALID', `the layer ${digest} of an entry is not there, or not whole`);
    }
    if (store.has(digest) !== size) store.importFile(path, { digest, size });
    const listing = readIfThere(entries(`${key}.listing`));
    const layer: Layer = { descriptor: { mediaType, digest, size }, diffId, locations: [{ kind: 'store' }] };
    return {
      ...entry,
      layer,
      listing: async () => (listing === undefined ? undefined : LayerListing.decode(listing)),
    };
  };
  const put = (key: string, { entry, layer, listing }: StepToCache, blob: string): void => {
    mkdirSync(entries(), { recursive: true });
    if (layer !== undefined && listing !== undefined) {
      const { digest, size } = layer.descriptor;
      const target = openBlobStore(blobs());
      if (target.has(digest) !== size) target.importFile(blob, { digest, size });
      writeWhole(entries(`${key}.listing`), listing.encode());
    }
    writeWhole(entries(key), encodeEntry(entry));
  };
  const putDocument = (key: string, bytes: Uint8Array): void => {
    mkdirSync(entries(), { recursive: true });
    writeWhole(entries(`${key}.document`), bytes);
  };
  return {
    name,
    find: async (key) => attempt(name, () => find(key)),
    async put(key, step) {
      const blob = step.layer === undefined ? '' : await localBlob(step.layer);
      attempt(name, () => put(key, step, blob));
    },
    findDocument: async (key) => attempt(name, () => readIfThere(entries(`${key}.document`))),
    putDocument: async (key, bytes) => attempt(name, () => putDocument(key, bytes)),
  };
}

/** What the file system refuses becomes an error that names the directory. */
function attempt<T>(directory: string, task: () => T): T {
  try {
    return task();
  } catch (error) {
    if (error instanceof BuildError || !(error instanceof Error && 'syscall' in error)) throw error;
    throw new BuildError('CACHE_UNUSABLE', `can't use the directory ${directory}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function writeWhole(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${randomUUID()}`;
  writeFileSync(temporary, bytes);
  renameSync(temporary, path);
}
