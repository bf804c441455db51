import { resolve } from 'node:path';
import { createDirectoryCache } from '../cache/directoryCache.ts';
import type { LayerCache } from '../cache/layerCache.ts';
import { createRegistryCache } from '../cache/registryCache.ts';
import { BuildError } from '../errors.ts';
import { parseReference } from '../registry/reference.ts';
import type { BuildSession } from './session.ts';
import type { StepCaching } from './stepCache.ts';

const DIRECTORY = 'oci:';

/**
 * The layer cache that a request asks for: `--cache-repo`, else the repository `cache` below the first destination's.
 * @param signal of the user; a failed step does not end the uploads of those before it
 * @throws BuildError `CACHE_REPO_MISSING`, `REFERENCE_INVALID`
 */
export function openCaching(session: BuildSession, signal: AbortSignal | undefined): StepCaching | undefined {
  const { cache, singleSnapshot } = session.request;
  if (cache === undefined) return undefined;
  if (singleSnapshot) {
    session.log('warn', 'With --single-snapshot there are no layers of steps to cache: --cache has no effect');
    return undefined;
  }
  const layers = openCache(session, cache.repository ?? inferred(session), signal);
  return {
    from: [layers],
    to: cache.push ? layers : undefined,
    runLayers: cache.runLayers,
    copyLayers: cache.copyLayers,
    maxAge: cache.maxAge,
  };
}

function openCache(session: BuildSession, repository: string, signal: AbortSignal | undefined): LayerCache {
  const { store } = session;
  const warn = (message: string): void => session.log('warn', message);
  if (repository.startsWith(DIRECTORY)) {
    return createDirectoryCache({ directory: resolve(repository.slice(DIRECTORY.length)), store, warn });
  }
  const { registry, repository: name } = parseReference(repository);
  return createRegistryCache({
    repository: { registry, repository: name },
    client: () => session.registry(),
    store,
    signal,
    warn,
  });
}

function inferred({ request }: BuildSession): string {
  const [destination] = request.destinations;
  if (destination === undefined) {
    throw new BuildError('CACHE_REPO_MISSING', 'if using cache with --no-push, specify cache repo with --cache-repo');
  }
  const { registry, repository } = parseReference(destination);
  return `${registry}/${repository}/cache`;
}
