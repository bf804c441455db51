import { BuildError, messageOf } from '../errors.ts';
import { isTemporaryError, retryDelay } from '../http/retry.ts';
import type { Digest } from '../image/digest.ts';
import { isDigest } from '../image/digest.ts';
import type { Scope } from './authorizer.ts';
import type { CallOptions, RegistryContext, Repository, UploadOutcome } from './context.ts';
import { registryFailure } from './failure.ts';
import type { Session } from './session.ts';
import { reportTransfer } from './transfer.ts';
import { verifySize } from './verify.ts';
import type { Expected } from './verify.ts';

/** Some registries copy or hash the whole blob before they answer the last request: so many times the usual patience. */
const COMMIT_PATIENCE = 10;

/** See `RegistryClient.hasBlob`. */
export async function hasBlob(
  context: RegistryContext,
  { registry, repository }: Repository,
  digest: Digest,
  { signal }: CallOptions,
): Promise<boolean> {
  const { response, authorization } = await context.session(registry, 'push').send({
    method: 'HEAD',
    target: `/v2/${repository}/blobs/${digest}`,
    scopes: [{ repository, actions: 'pull,push' }],
    ...(signal === undefined ? {} : { signal }),
  });
  await response.discard();
  if (response.status === 200) return true;
  if (response.status === 404) return false;
  throw await registryFailure(response, {
    action: `look for the blob ${digest} in ${registry}/${repository}`,
    credentialSource: authorization.source,
    authenticated: authorization.authenticated,
  });
}

/** See `RegistryClient.uploadBlob`. */
export async function uploadBlob(
  context: RegistryContext,
  target: Repository,
  blob: Expected,
  open: () => AsyncIterable<Uint8Array>,
  { signal, mountFrom }: CallOptions & { readonly mountFrom?: string },
): Promise<UploadOutcome> {
  const policy = context.http.retry;
  const session = context.session(target.registry, 'push');
  for (let attempt = 1; ; attempt++) {
    // These two are retried as requests. The look also after a failure: the registry may have the blob though its answer was lost.
    if (await hasBlob(context, target, blob.digest, signal === undefined ? {} : { signal })) return 'existed';
    const from = attempt === 1 && mountFrom !== target.repository ? mountFrom : undefined;
    const started = await startUpload(session, target, blob.digest, from, signal);
    if (started === 'mounted') return 'mounted';
    try {
      await sendBlob(context, target, blob, open, started, signal);
      return 'uploaded';
    } catch (error) {
      signal?.throwIfAborted();
      const delay = mayRetry(error) ? retryDelay(policy, attempt) : undefined;
      if (delay === undefined) throw error;
      context.listener?.({
        kind: 'log',
        level: 'warn',
        message: `Upload of ${blob.digest} to ${target.registry}/${target.repository} failed, trying again: ${messageOf(error)}`,
      });
      await policy.sleep(delay, signal);
    }
  }
}

/** The bytes in one request, the digest in a second. */
async function sendBlob(
  context: RegistryContext,
  { registry, repository }: Repository,
  blob: Expected,
  open: () => AsyncIterable<Uint8Array>,
  started: URL,
  signal: AbortSignal | undefined,
): Promise<void> {
  const session = context.session(registry, 'push');
  const scopes: [Scope] = [{ repository, actions: 'pull,push' }];
  const abortable = signal === undefined ? {} : { signal };
  const action = `upload the blob ${blob.digest} to ${registry}/${repository}`;
  const patched = await session.send({
    method: 'PATCH',
    target: started,
    scopes,
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(blob.size) },
    body: () =>
      reportTransfer(verifySize(open(), blob, `The blob ${blob.digest} to upload`), 'upload', blob, context.listener),
    retry: false,
    ...abortable,
  });
  if (![200, 201, 202, 204].includes(patched.response.status)) {
    throw await registryFailure(patched.response, {
      action,
      credentialSource: patched.authorization.source,
      authenticated: patched.authorization.authenticated,
    });
  }
  await patched.response.discard();
  const location =
    patched.response.headers.location === undefined
      ? started
      : session.resolve(patched.response.headers.location, patched.response.url);
  // Not through searchParams: they would write the registry's own parameters anew, and a signature over them may break.
  const finish = new URL(location);
  finish.search = `${finish.search === '' ? '?' : `${finish.search}&`}digest=${encodeURIComponent(blob.digest)}`;
  const put = await session.send({
    method: 'PUT',
    target: finish,
    scopes,
    headers: { 'content-length': '0' },
    retry: false,
    idleTimeout: COMMIT_PATIENCE * context.http.timeouts.idle,
    ...abortable,
  });
  if (![200, 201, 204].includes(put.response.status)) {
    throw await registryFailure(put.response, {
      action,
      credentialSource: put.authorization.source,
      authenticated: put.authorization.authenticated,
    });
  }
  await put.response.discard();
  const stored = put.response.headers['docker-content-digest'];
  if (typeof stored === 'string' && isDigest(stored) && stored !== blob.digest) {
    throw new BuildError(
      'BLOB_DIGEST_MISMATCH',
      `${registry}/${repository} stored the blob ${blob.digest} as ${stored}`,
    );
  }
}

/** `mounted`, or where to send the bytes. A mount that is refused in any way is followed by an ordinary upload. */
export async function startUpload(
  session: Session,
  { registry, repository }: Repository,
  digest: Digest | undefined,
  mountFrom: string | undefined,
  signal: AbortSignal | undefined,
): Promise<'mounted' | URL> {
  const path = `/v2/${repository}/blobs/uploads/`;
  const own: Scope = { repository, actions: 'pull,push' };
  const abortable = signal === undefined ? {} : { signal };
  const post = { method: 'POST', headers: { 'content-length': '0' }, ...abortable } as const;
  if (mountFrom !== undefined && digest !== undefined) {
    try {
      const { response } = await session.send({
        ...post,
        target: `${path}?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(mountFrom)}`,
        scopes: [own, { repository: mountFrom, actions: 'pull' }],
      });
      await response.discard();
      if (response.status === 201) return 'mounted';
      if (response.status === 202) return session.resolve(response.headers.location, response.url);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof BuildError)) throw error;
    }
  }
  const { response, authorization } = await session.send({ ...post, target: path, scopes: [own] });
  if (response.status !== 202) {
    throw await registryFailure(response, {
      action: `push to ${registry}/${repository}`,
      credentialSource: authorization.source,
      authenticated: authorization.authenticated,
    });
  }
  await response.discard();
  return session.resolve(response.headers.location, response.url);
}

/** An upload session that got lost, or bytes that were damaged on their way, deserve a fresh upload. */
function mayRetry(error: unknown): boolean {
  if (isTemporaryError(error)) return true;
  if (!(error instanceof BuildError)) return false;
  const code = String(error.facts['registryCode'] ?? '');
  return ['BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID', 'DIGEST_INVALID', 'SIZE_INVALID'].includes(code);
}
