import { BuildError, messageOf } from '../errors.ts';
import { limitConcurrency } from '../registry/limitConcurrency.ts';
import type { CachedStep, LayerCache, StepToCache } from './layerCache.ts';
import type { CacheKey } from './cacheKey.ts';

/** A cache that never stands in a build's way: what goes wrong with it is a miss and a warning. */
export interface GuardedCache {
  readonly name: string;
  find(key: CacheKey): Promise<CachedStep | undefined>;
  findDocument(key: CacheKey): Promise<Uint8Array | undefined>;
  /** Never rejects. */
  put(key: CacheKey, step: StepToCache): Promise<void>;
  /** Never rejects. */
  putDocument(key: CacheKey, bytes: Uint8Array): Promise<void>;
}

export interface GuardOptions {
  readonly warn: (message: string) => void;
  /** Of the build: once it is aborted, nothing that fails is the cache's fault. */
  readonly signal: AbortSignal | undefined;
  /** Told of every failure but broken entries. */
  readonly onFailure: (error: BuildError) => void;
}

/** Uploads of one cache at once. */
const PARALLEL = 4;

/** Guards a cache. A cache that can't be reached, or refuses, is asked once and not for every step. */
export function guardCache(cache: LayerCache, { warn, signal, onFailure }: GuardOptions): GuardedCache {
  const limit = limitConcurrency(PARALLEL);
  const ended = { reading: false, writing: false };
  const failed = (direction: keyof typeof ended, error: unknown, consequence: string): void => {
    signal?.throwIfAborted();
    if (!(error instanceof BuildError)) throw error;
    if (isUnusable(error)) {
      onFailure(error);
      if (ended[direction]) return;
      ended[direction] = true;
      // Nobody answers: writing would not go better.
      if (error.code === 'HTTP_FAILED') ended.writing = true;
    }
    const text = direction === 'writing' ? `Error uploading layer to cache ${cache.name}` : `Cache ${cache.name}`;
    warn(`${text}: ${messageOf(error)}${consequence}`);
  };
  const read = async <T>(task: () => Promise<T | undefined>): Promise<T | undefined> => {
    if (ended.reading) return undefined;
    try {
      return await task();
    } catch (error) {
      failed('reading', error, isUnusable(error) ? '; it is not asked again' : '; the step is executed');
      return undefined;
    }
  };
  const isStopped = (): boolean => signal?.aborted === true;
  const write = (task: () => Promise<void>): Promise<void> =>
    limit(async () => {
      if (ended.writing || isStopped()) return;
      try {
        await task();
      } catch (error) {
        if (!isStopped()) failed('writing', error, isUnusable(error) ? '; nothing more is sent there' : '');
      }
    });
  return {
    name: cache.name,
    find: (key) => read(() => withListing(cache, key, read)),
    findDocument: (key) => read(() => cache.findDocument(key)),
    put: (key, step) => write(() => cache.put(key, step)),
    putDocument: (key, bytes) => write(() => cache.putDocument(key, bytes)),
  };
}

/** The listing comes later, over the same way. */
async function withListing(
  cache: LayerCache,
  key: CacheKey,
  read: <T>(task: () => Promise<T | undefined>) => Promise<T | undefined>,
): Promise<CachedStep | undefined> {
  const found = await cache.find(key);
  const { listing } = found ?? {};
  if (found === undefined || listing === undefined) return found;
  return { ...found, listing: () => read(listing) };
}

/** Whether the cache as a whole is out of order, and not one entry. A repository that refuses says so in many ways. */
function isUnusable(error: unknown): boolean {
  return error instanceof BuildError && /^(?:HTTP_|REGISTRY_(?!NOT_FOUND)|CACHE_UNUSABLE$)/.test(error.code);
}
