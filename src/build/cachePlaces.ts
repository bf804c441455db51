import { resolve } from 'node:path';
import { BuildError } from '../errors.ts';
import { parseReference } from '../registry/reference.ts';
import type { BuildRequest } from './request.ts';

const DIRECTORY = 'oci:';

/** The layer caches of a request: `registry/repository` or `oci:<directory>`. @throws BuildError `CACHE_REPO_MISSING`, `REFERENCE_INVALID` */
export function cachePlaces(request: BuildRequest): {
  readonly from: readonly string[];
  readonly to: readonly string[];
} {
  const { cache } = request;
  if (cache === undefined) return { from: [], to: [] };
  const { repository, own: usesOwn = true, read = true, from = [], to = [], push } = cache;
  const own = usesOwn ? [repository ?? inferred(request)] : [];
  return {
    from: read ? [...new Set([...own, ...from])] : [],
    to: [...new Set([...(push ? own : []), ...to])],
  };
}

/** Those in registries. */
export function cacheRepositories(request: BuildRequest): readonly string[] {
  const { from, to } = cachePlaces(request);
  return [...new Set([...from, ...to])].filter((place) => cacheDirectory(place) === undefined);
}

/** The path of a cache that is a directory, absolute. */
export function cacheDirectory(place: string): string | undefined {
  return place.startsWith(DIRECTORY) ? resolve(place.slice(DIRECTORY.length)) : undefined;
}

function inferred({ destinations }: BuildRequest): string {
  const [destination] = destinations;
  if (destination === undefined) {
    throw new BuildError('CACHE_REPO_MISSING', 'if using cache with --no-push, specify cache repo with --cache-repo');
  }
  const { registry, repository } = parseReference(destination);
  return `${registry}/${repository}/cache`;
}
