import { BuildError } from '../errors.ts';
import { digestOf } from '../image/digest.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Layer } from '../image/image.ts';
import { parseManifest, type Manifest } from '../image/manifest.ts';
import { MEDIA_TYPES } from '../image/mediaType.ts';
import type { RegistryClient } from '../registry/client.ts';
import type { CallOptions, Repository } from '../registry/context.ts';
import { pushLayer } from '../registry/pushImage.ts';
import type { BlobStore } from '../store/blobStore.ts';
import { LayerListing } from '../tree/layerListing.ts';
import { decodeEntry, encodeEntry } from './cacheEntry.ts';
import type { CacheKey } from './cacheKey.ts';
import type { CachedStep, LayerCache } from './layerCache.ts';

export interface RegistryCacheOptions {
  readonly repository: Repository;
  readonly client: () => Promise<RegistryClient>;
  readonly store: BlobStore;
  readonly signal: AbortSignal | undefined;
}

const ENTRY = 'dev.kasane.cache.entry';
const LISTING_TYPE = 'application/vnd.kasane.layer-listing';
const DOCUMENT_TYPE = 'application/vnd.kasane.cache-document';
/** OCI image specification, manifest.md: the configuration of what has none. */
const EMPTY_CONFIG = Buffer.from('{}');
const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json';
/** Milliseconds to wait for a manifest: with less patience than for a base image, since the build can go on without. */
const PATIENCE = 10_000;
/** Bytes; more is no document of ours. */
const DOCUMENT_LIMIT = 256 << 20;

/**
 * A repository of a registry, a tag for each key: a manifest whose annotation is the entry and whose layers are the step's layer and
 * its listing. One request finds an entry; blobs move only when somebody reads them. Tags that others made, such as kaniko's, are none of
 * its business: they have no such annotation.
 */
export function createRegistryCache(options: RegistryCacheOptions): LayerCache {
  const { repository, client, store, signal } = options;
  const call: CallOptions = signal === undefined ? {} : { signal };
  const upload = async (descriptor: Descriptor, bytes: Uint8Array): Promise<void> => {
    await (await client()).uploadBlob(repository, descriptor, () => once(bytes), call);
  };
  const fetch = async (key: CacheKey): Promise<Manifest | undefined> => {
    const patience = AbortSignal.timeout(PATIENCE);
    try {
      const fetched = await (
        await client()
      ).getManifest({ ...repository, tag: key }, { signal: AbortSignal.any([patience, ...(signal ? [signal] : [])]) });
      return parseManifest(fetched.bytes, fetched.mediaType);
    } catch (error) {
      signal?.throwIfAborted();
      if (patience.aborted) {
        throw new BuildError('CACHE_UNUSABLE', `${repository.registry} does not answer within ${PATIENCE / 1000} s`);
      }
      if (error instanceof BuildError && error.code === 'REGISTRY_NOT_FOUND') return undefined;
      throw error;
    }
  };
  const tag = async (key: CacheKey, layers: readonly Descriptor[], entry?: string): Promise<void> => {
    const config: Descriptor = { mediaType: EMPTY_TYPE, digest: digestOf(EMPTY_CONFIG), size: EMPTY_CONFIG.length };
    await upload(config, EMPTY_CONFIG);
    const manifest = manifestOf(config, layers, entry);
    await (await client()).putManifest({ ...repository, tag: key }, manifest, MEDIA_TYPES.oci.manifest, call);
  };
  return {
    name: `${repository.registry}/${repository.repository}`,
    async find(key) {
      const manifest = await fetch(key);
      return manifest === undefined ? undefined : toStep(manifest, options);
    },
    async put(key, { entry, layer, listing }) {
      const layers: Descriptor[] = [];
      if (layer !== undefined && listing !== undefined) {
        const bytes = listing.encode();
        const descriptor = descriptorOf(LISTING_TYPE, bytes);
        await Promise.all([pushLayer(await client(), store, repository, layer, call), upload(descriptor, bytes)]);
        layers.push(layer.descriptor, descriptor);
      }
      await tag(key, layers, encodeEntry(entry).toString('utf8'));
    },
    async findDocument(key) {
      const [descriptor] = (await fetch(key))?.layers ?? [];
      if (descriptor?.mediaType !== DOCUMENT_TYPE || descriptor.size > DOCUMENT_LIMIT) return undefined;
      return readBlob(options, descriptor);
    },
    async putDocument(key, bytes) {
      const descriptor = descriptorOf(DOCUMENT_TYPE, bytes);
      await upload(descriptor, bytes);
      await tag(key, [descriptor]);
    },
  };
}

function descriptorOf(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

function manifestOf(config: Descriptor, layers: readonly Descriptor[], entry: string | undefined): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.oci.manifest,
      config,
      layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      ...(entry === undefined ? {} : { annotations: { [ENTRY]: entry } }),
    }),
  );
}

function toStep(manifest: Manifest, options: RegistryCacheOptions): CachedStep | undefined {
  const annotation = manifest.annotations?.[ENTRY];
  if (annotation === undefined) return undefined;
  const { layer: recorded, ...entry } = decodeEntry(Buffer.from(annotation));
  const [descriptor, listing] = manifest.layers;
  if (recorded === undefined && manifest.layers.length === 0) return entry;
  if (
    recorded === undefined ||
    descriptor?.digest !== recorded.digest ||
    descriptor.size !== recorded.size ||
    listing?.mediaType !== LISTING_TYPE ||
    manifest.layers.length !== 2
  ) {
    throw new BuildError('CACHE_ENTRY_INVALID', 'the manifest of an entry does not hold the layer that it names');
  }
  const { mediaType, digest, size, diffId } = recorded;
  const layer: Layer = {
    descriptor: { mediaType, digest, size },
    diffId,
    locations: [{ kind: 'registry', ...options.repository }],
  };
  return {
    ...entry,
    layer,
    listing: async () => LayerListing.decode(await readBlob(options, listing)),
  };
}

async function readBlob(
  { client, repository, signal }: RegistryCacheOptions,
  descriptor: Descriptor,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const call = signal === undefined ? {} : { signal };
  for await (const chunk of (await client()).openBlob(repository, descriptor, call)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
