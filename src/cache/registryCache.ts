import { BuildError } from '../errors.ts';
import { digestOf } from '../image/digest.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Layer } from '../image/image.ts';
import { parseManifest, type Manifest } from '../image/manifest.ts';
import { MEDIA_TYPES } from '../image/mediaType.ts';
import type { RegistryClient } from '../registry/client.ts';
import type { Repository } from '../registry/context.ts';
import { pushLayer } from '../registry/pushImage.ts';
import type { BlobStore } from '../store/blobStore.ts';
import { LayerListing } from '../tree/layerListing.ts';
import { decodeEntry, encodeEntry } from './cacheEntry.ts';
import type { CachedStep, LayerCache } from './layerCache.ts';

export interface RegistryCacheOptions {
  readonly repository: Repository;
  readonly client: () => Promise<RegistryClient>;
  readonly store: BlobStore;
  readonly signal: AbortSignal | undefined;
  readonly warn: (message: string) => void;
}

const ENTRY = 'dev.kasane.cache.entry';
const LISTING_TYPE = 'application/vnd.kasane.layer-listing';
/** OCI image specification, manifest.md: the configuration of what has none. */
const EMPTY_CONFIG = Buffer.from('{}');
const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json';

/**
 * A repository of a registry, a tag for each key: a manifest whose annotation is the entry and whose layers are the step's layer and
 * its listing. One request finds an entry; blobs move only when somebody reads them.
 */
export function createRegistryCache(options: RegistryCacheOptions): LayerCache {
  const { repository, client, store, signal, warn } = options;
  const name = `${repository.registry}/${repository.repository}`;
  const call = signal === undefined ? {} : { signal };
  return {
    name,
    async find(key) {
      try {
        const fetched = await (await client()).getManifest({ ...repository, tag: key }, call);
        return toStep(parseManifest(fetched.bytes, fetched.mediaType), options);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof BuildError)) throw error;
        if (!isMissing(error)) warn(`Cache ${name}: ${error.message}; the step is executed`);
        return undefined;
      }
    },
    async put(key, { entry, layer, listing }) {
      const registry = await client();
      const config = { digest: digestOf(EMPTY_CONFIG), size: EMPTY_CONFIG.length };
      await registry.uploadBlob(repository, config, () => once(EMPTY_CONFIG), call);
      const layers: Descriptor[] = [];
      if (layer !== undefined && listing !== undefined) {
        const bytes = listing.encode();
        const descriptor = { mediaType: LISTING_TYPE, digest: digestOf(bytes), size: bytes.length };
        await pushLayer(registry, store, repository, layer, call);
        await registry.uploadBlob(repository, descriptor, () => once(bytes), call);
        layers.push(layer.descriptor, descriptor);
      }
      const manifest = manifestOf(config, layers, encodeEntry(entry).toString('utf8'));
      await registry.putManifest({ ...repository, tag: key }, manifest, MEDIA_TYPES.oci.manifest, call);
    },
  };
}

function manifestOf(config: { digest: string; size: number }, layers: readonly Descriptor[], entry: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.oci.manifest,
      config: { mediaType: EMPTY_TYPE, ...config },
      layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      annotations: { [ENTRY]: entry },
    }),
  );
}

function toStep(manifest: Manifest, options: RegistryCacheOptions): CachedStep | undefined {
  const annotation = manifest.annotations?.[ENTRY];
  // Somebody else's entry, such as kaniko's.
  if (annotation === undefined) return undefined;
  const { continues, created, layer: recorded } = decodeEntry(Buffer.from(annotation));
  if (recorded === undefined) return { continues, created };
  const [descriptor, listing] = manifest.layers;
  if (descriptor?.digest !== recorded.digest || listing?.mediaType !== LISTING_TYPE || manifest.layers.length !== 2) {
    throw new BuildError('CACHE_ENTRY_INVALID', 'a cache entry’s manifest does not hold the layer it names');
  }
  const { mediaType, digest, size, diffId } = recorded;
  const layer: Layer = {
    descriptor: { mediaType, digest, size },
    diffId,
    locations: [{ kind: 'registry', ...options.repository }],
  };
  return { continues, created, layer, listing: () => readListing(options, listing) };
}

async function readListing(
  { client, repository, signal }: RegistryCacheOptions,
  listing: Descriptor,
): Promise<LayerListing | undefined> {
  const chunks: Uint8Array[] = [];
  const call = signal === undefined ? {} : { signal };
  for await (const chunk of (await client()).openBlob(repository, listing, call)) chunks.push(chunk);
  return LayerListing.decode(Buffer.concat(chunks));
}

function isMissing(error: BuildError): boolean {
  return error.code === 'REGISTRY_NOT_FOUND';
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
