/** The name under which Docker Hub is known here. */
export const DOCKER_HUB = 'index.docker.io';

const DOCKER_HUB_NAMES: ReadonlySet<string> = new Set([
  DOCKER_HUB,
  'docker.io',
  'registry-1.docker.io',
  'registry.hub.docker.com',
]);

/** Docker Hub under one name whatever it was called; others in lower case. */
export function normaliseRegistry(registry: string): string {
  const lower = registry.toLowerCase();
  return DOCKER_HUB_NAMES.has(lower) ? DOCKER_HUB : lower;
}

/**
 * A key of a docker configuration file as `host[:port][/path]`: without scheme, without the `/v1/` or `/v2/` that Docker
 * and its users append.
 */
export function normaliseKey(key: string): string {
  const bare = key
    .trim()
    .replace(/^https?:\/\//i, '')
    .replace(/\/+$/, '')
    .replace(/\/v[12]$/, '');
  const slash = bare.indexOf('/');
  return slash === -1 ? normaliseRegistry(bare) : `${normaliseRegistry(bare.slice(0, slash))}${bare.slice(slash)}`;
}

/** What to look for, most specific first: `host/a/b`, `host/a`, `host` (containers-auth.json's rule). */
export function credentialKeys(registry: string, repository: string): string[] {
  const keys = [normaliseRegistry(registry)];
  for (const part of repository.split('/').filter((name) => name !== '')) keys.unshift(`${keys[0] ?? ''}/${part}`);
  return keys;
}

/** What a credential helper is asked for. */
export function serverAddress(registry: string): string {
  return normaliseRegistry(registry) === DOCKER_HUB ? `https://${DOCKER_HUB}/v1/` : registry;
}
