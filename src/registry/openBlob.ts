import { BuildError, messageOf } from '../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { CallOptions, RegistryContext, Repository } from './context.ts';
import { registryFailure } from './failure.ts';
import { reportTransfer } from './transfer.ts';
import { sizeMismatch, verify } from './verify.ts';

/** A cut after this many new bytes is not held against the registry: a long download may be cut often. */
const PROGRESS = 1024 * 1024;

/** See `RegistryClient.openBlob`. */
export function openBlob(
  context: RegistryContext,
  location: Repository,
  descriptor: Descriptor,
  { signal }: CallOptions,
): AsyncIterable<Uint8Array> {
  return verify(downloadBlob(context, location, descriptor, 0, signal), descriptor, nameOf(location, descriptor));
}

/** The blob's bytes from `start` on, complete but not verified: that is for who takes them. */
export function downloadBlob(
  context: RegistryContext,
  location: Repository,
  descriptor: Descriptor,
  start: number,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  const bytes = download(context, location, descriptor, start, nameOf(location, descriptor), signal);
  return reportTransfer(bytes, 'download', descriptor, context.listener, start);
}

function nameOf({ registry, repository }: Repository, { digest }: Descriptor): string {
  return `The blob ${digest} of ${registry}/${repository}`;
}

async function* download(
  context: RegistryContext,
  location: Repository,
  descriptor: Descriptor,
  start: number,
  what: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const policy = context.http.retry;
  let offset = start;
  let failures = 0;
  while (offset < descriptor.size) {
    const begin = offset;
    const response = await openAt(context, location, descriptor, offset, signal);
    let skip = checkedSkip(response, descriptor, offset, what);
    let cut: unknown;
    try {
      for await (const chunk of response.body) {
        const rest = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - rest.length;
        if (rest.length === 0) continue;
        offset += rest.length;
        if (offset > descriptor.size) throw sizeMismatch(descriptor, what, `more than ${descriptor.size}`);
        yield rest;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof BuildError) throw error;
      cut = error;
    }
    if (cut === undefined) {
      if (offset < descriptor.size) throw sizeMismatch(descriptor, what, String(offset));
      return;
    }
    if (offset >= descriptor.size) return;
    failures = offset - begin >= PROGRESS ? 1 : failures + 1;
    if (failures >= policy.attempts) {
      throw new BuildError(
        'HTTP_FAILED',
        `${what} was cut off at ${offset} of ${descriptor.size} bytes again and again: ${messageOf(cut)}`,
        {
          cause: cut,
          facts: { temporary: true },
        },
      );
    }
    await policy.sleep(policy.firstDelay * 2 ** (failures - 1), signal);
  }
}

async function openAt(
  context: RegistryContext,
  { registry, repository }: Repository,
  descriptor: Descriptor,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  const headers = offset === 0 ? {} : { range: `bytes=${offset}-` };
  const { response, authorization } = await context.session(registry, 'pull').send({
    method: 'GET',
    target: `/v2/${repository}/blobs/${descriptor.digest}`,
    scopes: [{ repository, actions: 'pull' }],
    headers,
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.status === 200 || response.status === 206) return response;
  const failure = await registryFailure(response, {
    action: `pull the blob ${descriptor.digest} of ${registry}/${repository}`,
    credentialSource: authorization.source,
    authenticated: authorization.authenticated,
  });
  for (const address of descriptor.urls ?? []) {
    // A foreign layer's address comes from the manifest: it gets neither credentials nor trust.
    const url = URL.parse(address);
    if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) continue;
    const foreign = await context.http.request({
      method: 'GET',
      url: `${url.origin}${url.pathname}${url.search}`,
      headers: { 'accept-encoding': 'identity', ...headers },
      ...(signal === undefined ? {} : { signal }),
    });
    if (foreign.status === 200 || foreign.status === 206) return foreign;
    await foreign.discard();
  }
  throw failure;
}

/**
 * How many bytes to pass over, for a server that ignores Range. Gives the response up if it can't be the blob's.
 * @throws BuildError `BLOB_SIZE_MISMATCH`, `REGISTRY_FAILED`
 */
function checkedSkip(response: HttpResponse, descriptor: Descriptor, offset: number, what: string): number {
  const { 'content-length': length, 'content-range': header = '' } = response.headers;
  if (response.status === 200) {
    if (length === undefined || Number(length) === descriptor.size) return offset;
    response.close();
    throw sizeMismatch(descriptor, what, length);
  }
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header) ?? [];
  if (Number(start) === offset && (total === '*' || Number(total) === descriptor.size)) return 0;
  response.close();
  if (Number(start) === offset && total !== undefined) throw sizeMismatch(descriptor, what, total);
  throw new BuildError('REGISTRY_FAILED', `${what}: the server sent another range than was asked for`);
}
