import type { CacheKey } from '../cache/cacheKey.ts';
import type { CachedStep } from '../cache/layerCache.ts';

/**
 * The results of a build's steps by key, known or on their way: stages that begin alike execute what they share once, and the cache holds
 * what the image holds.
 */
export class StepResults {
  readonly #results = new Map<CacheKey, Promise<CachedStep | undefined>>();

  /** The result of whoever claimed the key before; else the claim: to be settled by the caller, whatever happens. */
  claim(key: CacheKey): Promise<CachedStep | undefined> | Claim {
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    const { promise, resolve } = Promise.withResolvers<CachedStep | undefined>();
    this.#results.set(key, promise);
    return {
      settle: (result) => {
        // Whoever comes later makes it anew.
        if (result === undefined) this.#results.delete(key);
        resolve(result);
      },
    };
  }
}

export interface Claim {
  /** Undefined if the step came to nothing. */
  settle(result: CachedStep | undefined): void;
}
