import { BuildError } from '../errors.ts';
import { digestOf, isDigest } from '../image/digest.ts';
import type { Digest } from '../image/digest.ts';
import { MEDIA_TYPES } from '../image/mediaType.ts';
import type { CallOptions, RegistryContext } from './context.ts';
import { registryFailure } from './failure.ts';
import { formatReference } from './reference.ts';
import type { Reference } from './reference.ts';

export interface FetchedManifest {
  readonly bytes: Buffer;
  /** The Content-Type as served, if any. */
  readonly mediaType: string | undefined;
  readonly digest: Digest;
}

const MANIFEST_LIMIT = 4 * 1024 * 1024;

const ACCEPTED: readonly string[] = [
  MEDIA_TYPES.oci.index,
  MEDIA_TYPES.docker.index,
  MEDIA_TYPES.oci.manifest,
  MEDIA_TYPES.docker.manifest,
];

/** See `RegistryClient.getManifest`. */
export async function getManifest(
  context: RegistryContext,
  reference: Reference,
  { accept = ACCEPTED, signal }: CallOptions & { readonly accept?: readonly string[] },
): Promise<FetchedManifest> {
  const name = formatReference(reference);
  const policy = context.http.retry;
  for (let attempt = 1; ; attempt++) {
    const { response, authorization } = await context.session(reference.registry, 'pull').send({
      method: 'GET',
      target: manifestPath(reference),
      scopes: [{ repository: reference.repository, actions: 'pull' }],
      headers: { accept: accept.join(', ') },
      ...(signal === undefined ? {} : { signal }),
    });
    if (response.status !== 200) {
      throw await registryFailure(response, {
        action: `pull ${name}`,
        credentialSource: authorization.source,
        authenticated: authorization.authenticated,
      });
    }
    try {
      const bytes = await response.bytes(MANIFEST_LIMIT);
      return {
        bytes,
        mediaType: response.headers['content-type'],
        digest: checkedDigest(bytes, reference, response.headers['docker-content-digest'], name),
      };
    } catch (error) {
      signal?.throwIfAborted();
      const final = error instanceof BuildError && error.code !== 'MANIFEST_DIGEST_MISMATCH';
      if (final) throw error;
      if (attempt >= Math.min(policy.attempts, 3)) {
        if (error instanceof BuildError) throw error;
        throw new BuildError('HTTP_FAILED', `The manifest of ${name} was cut off on its way`, { cause: error });
      }
      await policy.sleep(policy.firstDelay * attempt, signal);
    }
  }
}

/** See `RegistryClient.putManifest`. */
export async function putManifest(
  context: RegistryContext,
  reference: Reference,
  bytes: Uint8Array,
  mediaType: string,
  { signal }: CallOptions,
): Promise<Digest> {
  const digest = digestOf(bytes);
  const { response, authorization } = await context.session(reference.registry, 'push').send({
    method: 'PUT',
    target: `/v2/${reference.repository}/manifests/${reference.tag ?? digest}`,
    scopes: [{ repository: reference.repository, actions: 'pull,push' }],
    headers: { 'content-type': mediaType, 'content-length': String(bytes.length) },
    body: async function* () {
      yield bytes;
    },
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.status < 200 || response.status > 299) {
    throw await registryFailure(response, {
      action: `push the manifest of ${formatReference(reference)}`,
      credentialSource: authorization.source,
      authenticated: authorization.authenticated,
    });
  }
  await response.discard();
  const stored = response.headers['docker-content-digest'];
  if (typeof stored === 'string' && isDigest(stored) && stored !== digest) {
    throw new BuildError(
      'MANIFEST_DIGEST_MISMATCH',
      `${formatReference(reference)} was stored as ${stored}, but is ${digest}`,
    );
  }
  return digest;
}

function manifestPath({ repository, tag, digest }: Reference): string {
  return `/v2/${repository}/manifests/${digest ?? tag ?? 'latest'}`;
}

function checkedDigest(
  bytes: Buffer,
  reference: Reference,
  header: string | string[] | undefined,
  name: string,
): Digest {
  const actual = digestOf(bytes);
  const expected = reference.digest ?? (typeof header === 'string' && isDigest(header) ? header : actual);
  if (actual === expected) return actual;
  throw new BuildError(
    'MANIFEST_DIGEST_MISMATCH',
    `The manifest of ${name} should have the digest ${expected}, but what came has ${actual}`,
    {
      hint: 'The registry, or a proxy before it, delivers damaged or forged content.',
      facts: { expected, actual },
    },
  );
}
