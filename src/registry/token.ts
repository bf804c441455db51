import * as v from 'valibot';
import type { FoundCredential } from '../credentials/keychain.ts';
import { BuildError } from '../errors.ts';
import type { HttpClient, HttpResponse } from '../http/client.ts';
import type { Challenge } from './challenge.ts';
import { tlsForOthers } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import { registryFailure } from './failure.ts';

export interface BearerToken {
  readonly token: string;
  /** In seconds. */
  readonly lifetime: number;
}

const CLIENT_ID = 'kasane';
const BODY_LIMIT = 1024 * 1024;
/** What the distribution specification assumes where the server says nothing. */
const DEFAULT_LIFETIME = 60;

/**
 * A bearer token for scopes, by the distribution project's token specification: GET with Basic or no credentials, or the
 * OAuth2 POST with an identity token. @throws BuildError `REGISTRY_UNAUTHORIZED` and the others of `registryFailure`
 */
export async function requestToken(
  http: HttpClient,
  endpoint: Endpoint,
  challenge: Challenge,
  scopes: readonly string[],
  { credential, source }: FoundCredential,
  signal: AbortSignal | undefined,
): Promise<BearerToken> {
  const realm = realmOf(endpoint, challenge);
  const service = challenge.parameters.get('service');
  const send = (
    request: Pick<Parameters<HttpClient['request']>[0], 'method' | 'url' | 'headers' | 'body'>,
  ): Promise<HttpResponse> =>
    http.request({
      ...request,
      tls: realm.host === endpoint.host ? endpoint.tls : tlsForOthers(endpoint),
      allowInsecureRedirect: endpoint.insecure,
      ...(signal === undefined ? {} : { signal }),
    });
  let response: HttpResponse;
  if (credential.kind === 'identity-token') {
    const form = Buffer.from(
      new URLSearchParams({
        grant_type: 'refresh_token',
        client_id: CLIENT_ID,
        refresh_token: credential.token,
        scope: scopes.join(' '),
        ...(service === undefined ? {} : { service }),
      }).toString(),
    );
    response = await send({
      method: 'POST',
      url: realm,
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(form.length) },
      // oxlint-disable-next-line require-yield -- one chunk
      body: async function* () {
        yield form;
      },
    });
  } else {
    const url = new URL(realm);
    if (service !== undefined) url.searchParams.set('service', service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    const headers: Record<string, string> = {};
    if (credential.kind === 'basic') {
      headers['authorization'] =
        `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
    }
    response = await send({ method: 'GET', url, headers });
  }
  if (response.status !== 200) {
    throw await registryFailure(response, {
      action: `get a token for ${endpoint.registry} from ${realm.host} (${scopes.join(' ')})`,
      credentialSource: source,
      authenticated: credential.kind !== 'anonymous',
    });
  }
  return parseToken(await response.bytes(BODY_LIMIT), realm);
}

const tokenSchema = v.looseObject({
  token: v.nullish(v.string()),
  access_token: v.nullish(v.string()),
  expires_in: v.nullish(v.number()),
});

function parseToken(bytes: Buffer, realm: URL): BearerToken {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch {
    json = undefined;
  }
  const result = v.safeParse(tokenSchema, json);
  const token = result.success ? result.output.token || result.output.access_token : undefined;
  if (!result.success || !token || !/^[\u0021-\u007e]+$/.test(token)) {
    throw new BuildError('REGISTRY_FAILED', `The token server ${realm.host} answered without a token`);
  }
  return { token, lifetime: Math.max(result.output.expires_in ?? DEFAULT_LIFETIME, DEFAULT_LIFETIME) };
}

function realmOf(endpoint: Endpoint, challenge: Challenge): URL {
  const realm = URL.parse(challenge.parameters.get('realm') ?? '', `https://${endpoint.host}/`);
  const given = challenge.parameters.has('realm');
  if (!given || realm === null || (realm.protocol !== 'https:' && realm.protocol !== 'http:')) {
    throw new BuildError('REGISTRY_FAILED', `${endpoint.registry} asks for a token but names no valid token server`);
  }
  if (realm.protocol === 'http:' && !endpoint.insecure) {
    throw new BuildError(
      'REGISTRY_FAILED',
      `${endpoint.registry} names the token server ${realm.host} by plain HTTP, which is refused`,
      {
        hint: `Credentials would travel unprotected; allow it with --insecure-registry=${endpoint.registry}.`,
      },
    );
  }
  return realm;
}
