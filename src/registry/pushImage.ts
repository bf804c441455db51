import type { EventListener } from '../events.ts';
import { BuildError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { digestOf } from '../image/digest.ts';
import type { Digest } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';
import type { BlobStore } from '../store/blobStore.ts';
import type { RegistryClient } from './client.ts';
import type { BlobSource, CallOptions, Repository, UploadOutcome } from './context.ts';
import { limitConcurrency } from './limitConcurrency.ts';
import { formatReference } from './reference.ts';
import type { Reference } from './reference.ts';

export interface ImagePush {
  /** In this order; the first that fails ends the push. */
  readonly destinations: readonly Reference[];
  readonly manifest: { readonly bytes: Uint8Array; readonly mediaType: string };
  readonly configBytes: Uint8Array;
  readonly layers: readonly Layer[];
}

export interface PushOptions extends CallOptions {
  readonly listener?: EventListener;
}

const PARALLEL_UPLOADS = 4;

/**
 * Pushes an image everywhere: layers and configuration, then the manifest. Repositories of one registry share one upload
 * by mounting, tags of one repository differ by the manifest's name alone; a layer that lies in another registry is streamed
 * from there. Returns the manifest's digest.
 */
export async function pushImage(
  client: RegistryClient,
  store: BlobStore,
  { destinations, manifest, configBytes, layers }: ImagePush,
  { signal, listener }: PushOptions = {},
): Promise<Digest> {
  const call: CallOptions = signal === undefined ? {} : { signal };
  const first = new Map<string, string>();
  const config = { digest: digestOf(configBytes), size: configBytes.length };
  for (const destination of destinations) {
    const { registry, repository } = destination;
    const mountFrom = first.get(registry);
    const limit = limitConcurrency(PARALLEL_UPLOADS);
    const uploads = await Promise.allSettled(
      layers.map((layer) =>
        limit(() =>
          pushLayer(client, store, destination, layer, { ...call, ...(mountFrom === undefined ? {} : { mountFrom }) }),
        ),
      ),
    );
    for (const upload of uploads) if (upload.status === 'rejected') throw upload.reason;
    await client.uploadBlob(
      { registry, repository },
      config,
      async function* () {
        yield configBytes;
      },
      { ...call, ...(mountFrom === undefined ? {} : { mountFrom }) },
    );
    const digest = await client.putManifest(destination, manifest.bytes, manifest.mediaType, call);
    if (mountFrom === undefined) first.set(registry, repository);
    listener?.({ kind: 'pushed', reference: formatReference(destination), digest });
  }
  return digestOf(manifest.bytes);
}

/**
 * Makes sure a layer is in a repository; may be called early, while later steps still run. `mountFrom` is a repository of
 * the same registry; without it, one of the layer's own locations is tried. A foreign layer stays where it is.
 */
export async function pushLayer(
  client: RegistryClient,
  store: BlobStore,
  target: Repository,
  layer: BlobSource,
  { signal, mountFrom }: CallOptions & { readonly mountFrom?: string } = {},
): Promise<UploadOutcome> {
  const { descriptor } = layer;
  if (isForeign(descriptor)) return 'existed';
  const mount = mountFrom ?? repositoryIn(target.registry, layer);
  return client.uploadBlob(
    { registry: target.registry, repository: target.repository },
    descriptor,
    () => openLayer(client, store, layer, signal),
    { ...(signal === undefined ? {} : { signal }), ...(mount === undefined ? {} : { mountFrom: mount }) },
  );
}

function repositoryIn(registry: string, { locations }: BlobSource): string | undefined {
  for (const location of locations) {
    if (location.kind === 'registry' && location.registry === registry) return location.repository;
  }
  return undefined;
}

function openLayer(
  client: RegistryClient,
  store: BlobStore,
  { descriptor, locations }: BlobSource,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  if (store.has(descriptor.digest) === descriptor.size) return store.read(descriptor.digest);
  for (const location of locations) {
    if (location.kind === 'registry')
      return client.openBlob(location, descriptor, signal === undefined ? {} : { signal });
  }
  throw new BuildError(
    'BLOB_MISSING',
    `The layer ${descriptor.digest} to push is neither in the local store nor in a registry`,
  );
}

/** A layer that may not be distributed and says where else it can be had. */
function isForeign({ mediaType, urls }: Descriptor): boolean {
  return (urls?.length ?? 0) > 0 && /\.foreign\.|\.nondistributable\./.test(mediaType);
}
