import { DOCKER_HUB, normaliseRegistry } from '../credentials/registryKey.ts';
import type { Reference } from './reference.ts';

/** Registries that are asked for images in the place of others. */
export interface Mirrors {
  /** Registry to what replaces it, each `registry[/prefix]`, in the order they are asked. */
  readonly map: ReadonlyMap<string, readonly string[]>;
  /** Whether the original is asked when no mirror has the image. */
  readonly fallBack: boolean;
}

/** The map of `--registry-map` with the mirrors of `--registry-mirror`, which are Docker Hub's, behind it. */
export function mirrorMap(
  map: ReadonlyMap<string, readonly string[]>,
  hubMirrors: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const merged = new Map<string, readonly string[]>();
  const add = (registry: string, targets: readonly string[]): void => {
    const key = normaliseRegistry(registry);
    merged.set(key, [...(merged.get(key) ?? []), ...targets]);
  };
  for (const [registry, targets] of map) add(registry, targets);
  if (hubMirrors.length > 0) add(DOCKER_HUB, hubMirrors);
  return merged;
}

/** Where an image is to be looked for, in order, as kaniko does: the mirrors with their prefix, then the original. */
export function mirroredReferences(reference: Reference, { map, fallBack }: Mirrors): Reference[] {
  const targets = map.get(reference.registry) ?? [];
  const mirrored = targets.map((target) => {
    const slash = target.indexOf('/');
    const registry = normaliseRegistry(slash < 0 ? target : target.slice(0, slash));
    const prefix = slash < 0 ? '' : target.slice(slash + 1).replace(/\/+$/, '');
    return {
      ...reference,
      registry,
      repository: prefix === '' ? reference.repository : `${prefix}/${reference.repository}`,
    };
  });
  return targets.length > 0 && !fallBack ? mirrored : [...mirrored, reference];
}
