import { messageOf } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';

/** A layer of a cache, and the cache's name. */
export interface FoundLayer {
  readonly layer: Layer;
  readonly cache: string;
}

/**
 * The layer of a cache whose bytes are not there, or are not what the cache said: every error about a layer names its digest or its diffID.
 * Undefined if the error is about anything else; a push that is refused says nothing about the layer.
 */
export function brokenLayer(error: unknown, found: ReadonlyMap<Digest, FoundLayer>): FoundLayer | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const message = messageOf(at);
    const isReading = !REFUSED.test(message) || message.includes('pull the blob');
    for (const candidate of isReading ? found.values() : []) {
      const { descriptor, diffId } = candidate.layer;
      if (message.includes(descriptor.digest) || message.includes(diffId)) return candidate;
    }
  }
  return undefined;
}

const REFUSED = /^Can't |can't reach/i;
