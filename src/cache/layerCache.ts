import type { Layer } from '../image/image.ts';
import type { LayerListing } from '../tree/layerListing.ts';
import type { CacheEntry } from './cacheEntry.ts';
import type { CacheKey } from './cacheKey.ts';

/** A step's result from an earlier build; its bytes are still where the cache is. */
export interface CachedStep extends Omit<CacheEntry, 'layer'> {
  /** Absent if the step changed nothing. */
  readonly layer?: Layer;
  /** Of the layer, without reading the layer; undefined if another version of kasane wrote it. */
  readonly listing?: () => Promise<LayerListing | undefined>;
}

/** What to keep of a step. */
export interface StepToCache {
  readonly entry: CacheEntry;
  readonly layer?: Layer;
  readonly listing?: LayerListing;
}

/** Where results of steps are kept from one build to the next. Two builds that write the same key at once are safe: one of them wins. */
export interface LayerCache {
  /** For messages. */
  readonly name: string;
  /** Undefined for what is not there. @throws BuildError for what can't be read or believed */
  find(key: CacheKey): Promise<CachedStep | undefined>;
  /** @throws BuildError */
  put(key: CacheKey, step: StepToCache): Promise<void>;
  /** Bytes that are no step's result. @throws BuildError */
  findDocument(key: CacheKey): Promise<Uint8Array | undefined>;
  /** @throws BuildError */
  putDocument(key: CacheKey, bytes: Uint8Array): Promise<void>;
}
