import type { EventListener } from '../events.ts';
import type { Layer } from '../image/image.ts';
import type { RegistryClient } from '../registry/client.ts';
import { limitConcurrency } from '../registry/limitConcurrency.ts';
import { pushImage, pushLayer } from '../registry/pushImage.ts';
import { formatReference, type Reference } from '../registry/reference.ts';
import type { BlobStore } from '../store/blobStore.ts';
import type { PackedImage } from './packImage.ts';

export interface PushContext {
  readonly registry: () => Promise<RegistryClient>;
  readonly store: BlobStore;
  readonly emit: EventListener;
  readonly signal: AbortSignal | undefined;
}

/** A push that begins while the image is still being built. */
export interface Push {
  /**
   * Sends a layer of the image ahead. Never rejects: what fails here is tried again, and reported, by `finish`. Gives the layer with where it
   * lies then.
   */
  layer(layer: Layer): Promise<Layer>;
  /** Sends what is missing, then the manifests. @throws BuildError */
  finish(packed: PackedImage): Promise<void>;
  /** Waits for what is under way, after a failed build. */
  abandon(): Promise<void>;
}

const PARALLEL = 4;

/** Layers go ahead to the first destination; the others take them over from there, or get them at the end. */
export function startPush(context: PushContext, destinations: readonly Reference[]): Push {
  const { registry, store, emit, signal } = context;
  const limit = limitConcurrency(PARALLEL);
  const underWay: Promise<unknown>[] = [];
  const call = signal === undefined ? {} : { signal };
  const [first] = destinations;
  let ended = false;
  return {
    layer(layer) {
      if (first === undefined) return Promise.resolve(layer);
      const { registry: host, repository } = first;
      const sent = limit(async () => {
        if (ended) return layer;
        await pushLayer(await registry(), store, first, layer, call);
        return { ...layer, locations: [...layer.locations, { kind: 'registry' as const, registry: host, repository }] };
      }).catch(() => layer);
      underWay.push(sent);
      return sent;
    },
    async finish(packed) {
      for (const destination of destinations) log(emit, `Pushing image to ${formatReference(destination)}`);
      await Promise.all(underWay);
      await pushImage(
        await registry(),
        store,
        {
          destinations,
          manifest: { bytes: packed.manifest.bytes, mediaType: packed.manifest.descriptor.mediaType },
          configBytes: packed.config.bytes,
          layers: packed.image.layers,
        },
        { ...call, listener: (event) => announce(event, emit) },
      );
    },
    async abandon() {
      ended = true;
      await Promise.all(underWay);
    },
  };
}

/**
 * Asks every repository whether it takes an upload, before anything is built.
 * @throws BuildError `PUSH_NOT_PERMITTED`
 */
export async function checkPushPermissions(context: PushContext, destinations: readonly Reference[]): Promise<void> {
  const repositories = new Map(
    destinations.map(({ registry, repository }) => [`${registry}/${repository}`, { registry, repository }]),
  );
  const client = await context.registry();
  const call = context.signal === undefined ? {} : { signal: context.signal };
  await Promise.all([...repositories.values()].map((repository) => client.checkPushPermission(repository, call)));
}

function announce(event: Parameters<EventListener>[0], emit: EventListener): void {
  emit(event);
  if (event.kind !== 'pushed') return;
  // What pipelines look for in the log.
  const name = event.reference.replace(/:[^/:]*$/, '').replace(/@.*$/, '');
  log(emit, `Pushed ${name}@${event.digest}`);
}

function log(emit: EventListener, message: string): void {
  emit({ kind: 'log', level: 'info', message });
}
