// The one HTTP client: TLS roots, client certificates, proxies, name look-up, time-outs, retries, and redirects that
// drop credentials. node:http and node:https are loaded on the first request.
import type { IncomingHttpHeaders } from 'node:http';
import type { LookupFunction } from 'node:net';
import { BuildError, messageOf } from '../errors.ts';
import { createAgents } from './agents.ts';
import { createLookup, readLookupSources } from './lookup.ts';
import { exchange } from './exchange.ts';
import type { ExchangeResponse, Timeouts } from './exchange.ts';
import type { Environment } from './proxy.ts';
import { followRedirect, MAX_REDIRECTS } from './redirect.ts';
import type { Redirectable } from './redirect.ts';
import { DEFAULT_RETRY, isTemporaryError, isTemporaryStatus, retryDelay } from './retry.ts';
import type { RetryPolicy } from './retry.ts';
import type { TlsPolicy } from './trust.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string | URL;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Called anew for each try; send a content-length header too where the length is known. */
  readonly body?: () => AsyncIterable<Uint8Array>;
  readonly tls?: TlsPolicy;
  /** Default: true. False hands the first failure, or temporary status, to the caller. */
  readonly retry?: boolean;
  /** Default: false. Whether a redirect may lead from https to http. */
  readonly allowInsecureRedirect?: boolean;
  readonly timeouts?: Partial<Timeouts>;
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where the response came from, after redirects. */
  readonly url: URL;
  /** Throws if the body was cut. It has to be read, or `discard` or `close` called. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole body. @throws BuildError `RESPONSE_TOO_LARGE` beyond `limit` bytes */
  bytes(limit: number): Promise<Buffer>;
  /** Reads what is left, if it is short, to use the connection again; never throws. */
  discard(): Promise<void>;
  /** Gives up a body that nobody has begun to read, and its connection. */
  close(): void;
}

export interface HttpClient {
  /**
   * Resolves with any status. Tries again, with back-off, after a connection error, 408, 429 (as Retry-After asks), 499,
   * 500, 502, 503, 504 and 522; the last such response is handed on.
   * @throws BuildError `HTTP_FAILED` (fact `temporary`) if there was no response; redirect errors; the signal's reason
   */
  request(request: HttpRequest): Promise<HttpResponse>;
  /** The policy of this client, for callers that retry more than a request. */
  readonly retry: RetryPolicy;
  readonly timeouts: Timeouts;
  /** Closes idle connections. */
  close(): void;
}

export interface HttpClientOptions {
  /** Where proxies, SSL_CERT_DIR, SSL_CERT_FILE and UPSTREAM_CLIENT_TYPE are read. Default: empty. */
  readonly environment?: Environment;
  /** kasane's version, for the User-Agent. */
  readonly version: string;
  /** Default: `createLookup` with the machine's files, read when the client is made. */
  readonly lookup?: LookupFunction;
  /** Default: 30 s to connect, 60 s without progress. */
  readonly timeouts?: Partial<Timeouts>;
  readonly retry?: Partial<RetryPolicy>;
}

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const environment = options.environment ?? {};
  const agents = createAgents(environment, options.lookup ?? createLookup(readLookupSources()));
  const timeouts: Timeouts = { connect: 30_000, idle: 60_000, ...options.timeouts };
  const retry: RetryPolicy = { ...DEFAULT_RETRY, ...options.retry };
  const userAgent = userAgentOf(options.version, environment);

  const once = async (request: HttpRequest): Promise<HttpResponse> => {
    let next = {
      method: request.method as string,
      url: new URL(request.url),
      headers: { 'user-agent': userAgent, ...request.headers },
      tls: request.tls ?? {},
      body: request.body,
    };
    for (let redirects = 0; ; redirects++) {
      const response = await exchange({
        method: next.method,
        url: next.url,
        headers: next.headers,
        pool: await agents.poolFor(next.url, next.tls),
        timeouts: { ...timeouts, ...request.timeouts },
        ...(next.body === undefined ? {} : { body: next.body() }),
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      });
      const redirected = redirectOf(next, response, request.allowInsecureRedirect ?? false);
      if (redirected === undefined) return toResponse(response, next.url);
      await discard(response);
      if (redirects === MAX_REDIRECTS) {
        throw new BuildError('REDIRECT_INVALID', `${next.url.host} redirects more than ${MAX_REDIRECTS} times`);
      }
      const { client: _client, ...anonymous } = redirected.tls;
      next = {
        ...redirected,
        tls: redirected.sameOrigin ? redirected.tls : anonymous,
        body: redirected.keepsBody ? redirected.body : undefined,
      };
    }
  };

  return {
    retry,
    timeouts,
    async request(request) {
      const policy = request.retry === false ? { ...retry, attempts: 1 } : retry;
      for (let attempt = 1; ; attempt++) {
        let delay: number | undefined;
        try {
          const response = await once(request);
          if (!isTemporaryStatus(response.status)) return response;
          delay = retryDelay(policy, attempt, response.headers['retry-after']);
          if (delay === undefined) return response;
          await response.discard();
        } catch (error) {
          request.signal?.throwIfAborted();
          delay = isTemporaryError(error) ? retryDelay(policy, attempt) : undefined;
          if (delay === undefined) throw describe(error, request, attempt);
        }
        await policy.sleep(delay, request.signal);
      }
    },
    close: () => agents.close(),
  };
}

function redirectOf<T extends Redirectable>(
  request: T,
  response: ExchangeResponse,
  allowInsecure: boolean,
): ReturnType<typeof followRedirect<T>> {
  try {
    return followRedirect(request, response.status, response.headers.location, allowInsecure);
  } catch (error) {
    response.close();
    throw error;
  }
}

function toResponse(response: ExchangeResponse, url: URL): HttpResponse {
  return {
    status: response.status,
    headers: response.headers,
    url,
    body: response.body,
    async bytes(limit) {
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of response.body) {
        size += chunk.length;
        if (size > limit) {
          throw new BuildError('RESPONSE_TOO_LARGE', `${url.host} sent more than ${limit} bytes for ${url.pathname}`);
        }
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    },
    discard: () => discard(response),
    close: () => response.close(),
  };
}

/** Reads a short rest, so that the connection can be used again; closes it otherwise. */
async function discard({ body }: ExchangeResponse): Promise<void> {
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > 64 * 1024) break;
    }
  } catch {
    // Nobody wanted it.
  }
}

function describe(error: unknown, request: HttpRequest, attempts: number): unknown {
  if (
    error instanceof BuildError ||
    !(error instanceof Error) ||
    !('code' in error || error instanceof AggregateError)
  ) {
    return error;
  }
  const url = new URL(request.url);
  const code = 'code' in error ? String(error.code) : '';
  const reason = error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : error.message;
  const tries = attempts > 1 ? ` (tried ${attempts} times)` : '';
  return new BuildError('HTTP_FAILED', `Can't reach ${url.host}: ${reason || code}${tries}`, {
    cause: error,
    facts: {
      method: request.method,
      url: `${url.origin}${url.pathname}`,
      errno: code,
      temporary: isTemporaryError(error),
    },
    ...hintFor(code, url),
  });
}

function hintFor(code: string, url: URL): { hint?: string } {
  if (url.protocol === 'https:' && (code === 'EPROTO' || code.startsWith('ERR_SSL') || code.startsWith('HPE_'))) {
    return { hint: `If ${url.host} speaks plain HTTP, allow it with --insecure-registry=${url.host}.` };
  }
  if (/^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS_CERT)/.test(code)) {
    return {
      hint: `Trust its certificate with --registry-certificate=${url.host}=<file> or SSL_CERT_FILE, or skip the check with --skip-tls-verify-registry=${url.host}.`,
    };
  }
  if (code === 'ENOTFOUND')
    return { hint: `The name ${url.hostname} is not known; check its spelling and the name server.` };
  return {};
}

function userAgentOf(version: string, environment: Environment): string {
  const upstream = environment['UPSTREAM_CLIENT_TYPE'];
  return `kasane/${version}${upstream === undefined || upstream === '' ? '' : `,${upstream}`}`;
}
