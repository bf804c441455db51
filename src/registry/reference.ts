import { DOCKER_HUB, normaliseRegistry } from '../credentials/registryKey.ts';
import { BuildError } from '../errors.ts';
import { parseDigest } from '../image/digest.ts';
import type { Digest } from '../image/digest.ts';

/** An image in a registry. A reference has a tag, a digest, or both; the digest decides what is pulled. */
export interface Reference {
  /** `host[:port]`; Docker Hub is `index.docker.io`. */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const REGISTRY = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*\\.?|\\[[0-9a-fA-F:.]+\\])(?::[0-9]{1,5})?$`);
const MAX_NAME = 255;

/**
 * Docker's grammar, `[registry/]repository[:tag][@digest]`: Docker Hub and its `library/` where no registry is named, the
 * tag `latest` where there is neither tag nor digest. @throws BuildError `REFERENCE_INVALID`
 */
export function parseReference(text: string): Reference {
  if (/\s/.test(text) || text === '') throw invalid(text, text === '' ? 'it is empty' : 'it has white space in it');
  if (/^[a-z]+:\/\//i.test(text)) throw invalid(text, 'a scheme such as https:// has no place in it');
  const at = text.indexOf('@');
  const digest = at === -1 ? undefined : toDigest(text, text.slice(at + 1));
  const named = at === -1 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag)) {
    throw invalid(
      text,
      `the tag ${JSON.stringify(tag)} is not valid (up to 128 letters, digits, _ . -, not . or - first)`,
    );
  }
  const { registry, repository } = splitName(text, hasTag ? named.slice(0, colon) : named);
  return {
    registry,
    repository,
    ...(tag === undefined ? (digest === undefined ? { tag: 'latest' } : {}) : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** `registry/repository[:tag][@digest]`, with nothing left out. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

function splitName(text: string, name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const isRegistry = /[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  const path = isRegistry ? name.slice(slash + 1) : name;
  const registry = isRegistry ? normaliseRegistry(first) : DOCKER_HUB;
  if (!REGISTRY.test(registry)) throw invalid(text, `${JSON.stringify(first)} is not a registry's name`);
  const repository = registry === DOCKER_HUB && !path.includes('/') ? `library/${path}` : path;
  for (const component of path.split('/')) {
    if (COMPONENT.test(component)) continue;
    throw invalid(
      text,
      component === ''
        ? 'the repository has an empty part'
        : component !== component.toLowerCase()
          ? `the repository ${JSON.stringify(path)} must be in lower case`
          : `${JSON.stringify(component)} is not valid in a repository (lower-case letters and digits, between them . _ __ -)`,
    );
  }
  if (repository.length > MAX_NAME) throw invalid(text, `the repository is longer than ${MAX_NAME} characters`);
  return { registry, repository };
}

function toDigest(text: string, digest: string): Digest {
  try {
    return parseDigest(digest);
  } catch (cause) {
    throw invalid(text, 'the digest is not sha256: and 64 lower-case hexadecimal digits', cause);
  }
}

function invalid(text: string, reason: string, cause?: unknown): BuildError {
  return new BuildError(
    'REFERENCE_INVALID',
    `${JSON.stringify(text.slice(0, 300))} is not an image reference: ${reason}`,
    {
      cause,
      hint: 'A reference is [registry/]repository[:tag][@digest], for example ghcr.io/me/app:1.0.',
    },
  );
}
