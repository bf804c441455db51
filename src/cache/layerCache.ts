import type { Layer } from '../image/image.ts';
import type { LayerListing } from '../tree/layerListing.ts';
import type { CacheEntry } from './cacheEntry.ts';
import type { CacheKey } from './cacheKey.ts';

/** A step's result from an earlier build; its bytes are still where the cache is. */
export interface CachedStep {
  readonly continues: CacheKey;
  readonly created: string;
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

/** Where results of steps are kept from one build to the next. */
export interface LayerCache {
  /** For messages. */
  readonly name: string;
  /** A miss for what is not there and for what can't be read or believed; the latter is reported, never thrown. */
  find(key: CacheKey): Promise<CachedStep | undefined>;
  /** @throws BuildError; two builds that put the same key at once are safe */
  put(key: CacheKey, step: StepToCache): Promise<void>;
}
