import { hashKey, type CacheKey } from '../cache/cacheKey.ts';
import type { Layer } from '../image/image.ts';
import { LayerListing } from '../tree/layerListing.ts';
import type { BuildSession } from './session.ts';
import type { StepCaching } from './stepCaching.ts';

/**
 * Gets listings of a base image's layers from the caches, so that a step that needs the base's names but none of its contents, such as a COPY
 * onto it, does not download it.
 */
export async function borrowListings(
  { listings }: BuildSession,
  { from }: StepCaching,
  layers: readonly Layer[],
): Promise<void> {
  await Promise.all(
    layers.map(async (layer) => {
      if (listings.stored(layer) !== undefined) return;
      for (const cache of from) {
        const bytes = await cache.findDocument(keyOf(layer));
        if (bytes === undefined || LayerListing.decode(bytes) === undefined) continue;
        listings.put(layer, bytes);
        return;
      }
    }),
  );
}

/** Leaves the listings that this machine has for builds on others. */
export function lendListings(session: BuildSession, { to }: StepCaching, layers: readonly Layer[]): void {
  if (to.length === 0) return;
  for (const layer of layers) {
    const bytes = session.listings.stored(layer)?.encode();
    if (bytes === undefined) continue;
    for (const cache of to) session.background(cache.putDocument(keyOf(layer), bytes));
  }
}

function keyOf(layer: Layer): CacheKey {
  return hashKey('listing', layer.diffId);
}
