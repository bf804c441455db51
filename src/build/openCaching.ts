import { hashKey, type CacheKey } from '../cache/cacheKey.ts';
import { createDirectoryCache } from '../cache/directoryCache.ts';
import { guardCache, type GuardedCache } from '../cache/guardCache.ts';
import { createRegistryCache } from '../cache/registryCache.ts';
import { BuildError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import { parseReference } from '../registry/reference.ts';
import type { FoundLayer } from './brokenLayer.ts';
import { InputRecorder, recordsDirectory } from './inputRecorder.ts';
import { cacheDirectory, cachePlaces } from './cachePlaces.ts';
import type { BuildRequest } from './request.ts';
import type { BuildSession } from './session.ts';
import type { StepCaching } from './stepCaching.ts';
import { StepResults } from './stepResults.ts';

export interface CachingOptions {
  /** Of the user; a failed step does not end the uploads of those before it. */
  readonly signal: AbortSignal | undefined;
  readonly distrusted: ReadonlySet<Digest>;
  /** Gets every layer that a cache gave. */
  readonly found: Map<Digest, FoundLayer>;
}

/** The caches of a build, and what went wrong with them. */
export interface OpenedCaching extends StepCaching {
  /** @throws BuildError the first failure of a cache, where `--cache-errors=fail` says that one fails the build */
  throwFailure(): void;
}

/**
 * The layer caches that a request asks for: `--cache-from` and `--cache-to`, and `--cache-repo`, else the repository `cache` below the
 * first destination's.
 * @throws BuildError `CACHE_REPO_MISSING`, `REFERENCE_INVALID`
 */
export function openCaching(session: BuildSession, options: CachingOptions): OpenedCaching | undefined {
  const { cache, singleSnapshot } = session.request;
  if (cache === undefined) return undefined;
  if (singleSnapshot) {
    session.log('warn', 'With --single-snapshot there are no layers of steps to cache: --cache has no effect');
    return undefined;
  }
  const failures: BuildError[] = [];
  const opened = new Map<string, GuardedCache>();
  const open = (place: string): GuardedCache => {
    const known = opened.get(place);
    if (known !== undefined) return known;
    const guarded = openCache(session, place, options.signal, (error) => failures.push(error));
    opened.set(place, guarded);
    return guarded;
  };
  const { from, to } = cachePlaces(session.request);
  const caches = { from: from.map(open), to: to.map(open) };
  return {
    ...caches,
    runLayers: cache.runLayers,
    copyLayers: cache.copyLayers,
    maxAge: cache.maxAge,
    isExecuted: ({ index, name }) =>
      cache.executedStages?.some((stage) => stage.toLowerCase() === name || stage === String(index)) ?? false,
    results: new StepResults(),
    lookups: new Map(),
    prints: new Map(),
    tags: new Map(),
    recorder: new InputRecorder({
      ...caches,
      identity: identityOf(session.request),
      directory: recordsDirectory(session.request.dataDirectory),
      log: (level, message) => session.log(level, message),
    }),
    distrusted: options.distrusted,
    onFound: (layer, name) => options.found.set(layer.descriptor.digest, { layer, cache: name }),
    throwFailure() {
      const [first] = failures;
      if (cache.errors !== 'fail' || first === undefined) return;
      throw new BuildError('CACHE_FAILED', `The layer cache failed: ${first.message}`, {
        cause: first,
        hint: 'With --cache-errors=warn the build goes on without the cache.',
      });
    },
  };
}

function openCache(
  session: BuildSession,
  place: string,
  signal: AbortSignal | undefined,
  onFailure: (error: BuildError) => void,
): GuardedCache {
  const { store } = session;
  const guard = { signal, onFailure, warn: (message: string): void => session.log('warn', message) };
  const path = cacheDirectory(place);
  if (path !== undefined) {
    const directory = (): string => session.root.resolve(path).toString();
    return guardCache(
      createDirectoryCache({ name: path, directory, store, localBlob: (layer) => session.localBlob(layer) }),
      guard,
    );
  }
  const { registry, repository } = parseReference(place);
  const client = (): ReturnType<BuildSession['registry']> => session.registry();
  return guardCache(createRegistryCache({ repository: { registry, repository }, client, store, signal }), guard);
}

/** What tells the builds of one thing from others' that share a cache. */
function identityOf({ destinations, dockerfile, target, platform }: BuildRequest): CacheKey {
  const [destination] = destinations.map(parseReference);
  return hashKey('inputs', {
    destination: destination === undefined ? null : [destination.registry, destination.repository],
    dockerfile: destination === undefined ? dockerfile : null,
    target: target ?? null,
    platform: [platform.os, platform.architecture, platform.variant ?? ''],
  });
}
