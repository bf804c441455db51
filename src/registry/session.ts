import type { Keychain } from '../credentials/keychain.ts';
import { BuildError } from '../errors.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../http/client.ts';
import { createAuthorizer } from './authorizer.ts';
import type { Authorization, Scope } from './authorizer.ts';
import { parseChallenges } from './challenge.ts';
import type { Challenge } from './challenge.ts';
import { tlsForOthers } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';

interface SessionRequest {
  readonly method: HttpRequest['method'];
  /** A path from `/v2/` on, or an absolute URL; credentials go to the registry's own origin only. */
  readonly target: string | URL;
  /** The first scope's repository decides which credential is used. */
  readonly scopes: readonly [Scope, ...Scope[]];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: () => AsyncIterable<Uint8Array>;
  readonly retry?: boolean;
  readonly idleTimeout?: number;
  readonly signal?: AbortSignal;
}

interface SessionResponse {
  readonly response: HttpResponse;
  /** What the request was sent with, for error messages. */
  readonly authorization: Authorization;
}

/** Talks to one registry: finds out once how it is spoken to and how it wants to be convinced. */
export interface Session {
  send(request: SessionRequest): Promise<SessionResponse>;
  /** An address of this registry's: what it named itself, made absolute. @throws BuildError `REGISTRY_FAILED` */
  resolve(location: string | undefined, base: URL): URL;
}

interface Connection {
  readonly origin: string;
  readonly challenges: readonly Challenge[];
}

export function createSession(endpoint: Endpoint, http: HttpClient, keychain: Keychain): Session {
  const authorizer = createAuthorizer(endpoint, http, keychain);
  let connection: Promise<Connection> | undefined;

  const connect = (signal: AbortSignal | undefined): Promise<Connection> => {
    connection ??= ping(endpoint, http, signal).catch((error: unknown) => {
      connection = undefined;
      throw error;
    });
    return connection;
  };

  return {
    async send(request) {
      const { origin, challenges } = await connect(request.signal);
      const url = new URL(request.target, origin);
      const own = url.origin === origin;
      const attempt = (authorization: Authorization): Promise<HttpResponse> =>
        http.request({
          method: request.method,
          url,
          headers: {
            'accept-encoding': 'identity',
            ...request.headers,
            ...(authorization.header === undefined ? {} : { authorization: authorization.header }),
          },
          tls: own ? endpoint.tls : tlsForOthers(endpoint),
          allowInsecureRedirect: endpoint.insecure,
          ...(request.body === undefined ? {} : { body: request.body }),
          ...(request.retry === undefined ? {} : { retry: request.retry }),
          ...(request.idleTimeout === undefined ? {} : { timeouts: { idle: request.idleTimeout } }),
          ...(request.signal === undefined ? {} : { signal: request.signal }),
        });
      if (!own) {
        const authorization: Authorization = {
          header: undefined,
          source: 'none are sent to another host',
          authenticated: false,
        };
        return { response: await attempt(authorization), authorization };
      }
      const authorization = await authorizer.authorize(challenges, request.scopes, request.signal);
      const response = await attempt(authorization);
      if (response.status !== 401) return { response, authorization };
      // A token may have run out, or the registry may want another scope than is usual.
      const asked = challengesOf(response);
      if (asked.length === 0) return { response, authorization };
      const renewed = await authorizer.renew(asked, request.scopes, authorization, request.signal);
      if (renewed === undefined) return { response, authorization };
      await response.discard();
      return { response: await attempt(renewed), authorization: renewed };
    },
    resolve(location, base) {
      const url = location === undefined ? null : URL.parse(location, base.href);
      if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
        throw new BuildError('REGISTRY_FAILED', `${endpoint.registry} named no valid address to upload to`);
      }
      url.username = '';
      url.password = '';
      if (base.protocol === 'https:' && url.protocol === 'http:' && !endpoint.insecure) {
        // A registry behind a proxy that ends TLS often names itself by http.
        if (url.hostname !== base.hostname) {
          throw new BuildError(
            'REGISTRY_FAILED',
            `${endpoint.registry} wants uploads by plain HTTP at ${url.host}, which is refused`,
          );
        }
        url.protocol = 'https:';
        url.port = base.port;
      }
      return url;
    },
  };
}

/** Asks `/v2/`, by HTTPS first; by HTTP if that is allowed and HTTPS is not spoken there. */
async function ping(endpoint: Endpoint, http: HttpClient, signal: AbortSignal | undefined): Promise<Connection> {
  const ask = async (scheme: 'http' | 'https', retry: boolean): Promise<Connection> => {
    const response = await http.request({
      method: 'GET',
      url: `${scheme}://${endpoint.host}/v2/`,
      tls: endpoint.tls,
      allowInsecureRedirect: endpoint.insecure,
      retry,
      ...(signal === undefined ? {} : { signal }),
    });
    await response.discard();
    return {
      origin: `${scheme}://${endpoint.host}`,
      challenges: response.status === 401 ? challengesOf(response) : [],
    };
  };
  if (!endpoint.insecure) return ask('https', true);
  try {
    return await ask('https', false);
  } catch (error) {
    if (!mayBePlain(error)) throw error;
  }
  return ask('http', true);
}

/** Not after a bad certificate: there TLS is spoken. */
function mayBePlain(error: unknown): boolean {
  if (!(error instanceof BuildError) || error.code !== 'HTTP_FAILED') return false;
  const errno = String(error.facts['errno']);
  return /^(EPROTO|ERR_SSL_|HPE_|ECONNRESET|ECONNREFUSED|ERR_TLS_HANDSHAKE)/.test(errno) || errno === '';
}

function challengesOf(response: HttpResponse): Challenge[] {
  return parseChallenges(response.headers['www-authenticate'] ?? '');
}
