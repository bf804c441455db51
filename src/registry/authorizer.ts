import type { FoundCredential, Keychain } from '../credentials/keychain.ts';
import { BuildError } from '../errors.ts';
import type { HttpClient } from '../http/client.ts';
import type { Challenge } from './challenge.ts';
import type { Endpoint } from './endpoint.ts';
import { requestToken } from './token.ts';
import type { BearerToken } from './token.ts';

export interface Scope {
  readonly repository: string;
  readonly actions: 'pull' | 'pull,push';
}

/** What a request is sent with. */
export interface Authorization {
  readonly header: string | undefined;
  /** Where the credential came from, or where none was found. */
  readonly source: string;
  readonly authenticated: boolean;
}

/** Answers a registry's challenges: nothing, Basic, or a bearer token from its token server, kept per scope. */
export interface Authorizer {
  authorize(
    challenges: readonly Challenge[],
    scopes: readonly [Scope, ...Scope[]],
    signal?: AbortSignal,
  ): Promise<Authorization>;
  /** After a 401 with these challenges: something else to try, or undefined if there is nothing. */
  renew(
    challenges: readonly Challenge[],
    scopes: readonly [Scope, ...Scope[]],
    failed: Authorization,
    signal?: AbortSignal,
  ): Promise<Authorization | undefined>;
}

interface CachedToken {
  readonly token: Promise<BearerToken>;
  /** Milliseconds since 1970. */
  expires: number;
}

export function createAuthorizer(endpoint: Endpoint, http: HttpClient, keychain: Keychain): Authorizer {
  const tokens = new Map<string, CachedToken>();
  // What a 401 asked for although the ping had not; kept, or every request would begin with a refusal.
  let learned: readonly Challenge[] = [];

  const authorize = async (
    challenges: readonly Challenge[],
    scopes: readonly string[],
    { credential, source }: FoundCredential,
    signal: AbortSignal | undefined,
  ): Promise<Authorization> => {
    const authenticated = credential.kind !== 'anonymous';
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) {
      if (credential.kind === 'registry-token') return { header: `Bearer ${credential.token}`, source, authenticated };
      const header = await cachedToken(bearer, scopes, { credential, source }, signal);
      return { header, source, authenticated };
    }
    if (challenges.some(({ scheme }) => scheme === 'basic') && credential.kind === 'basic') {
      const pair = Buffer.from(`${credential.username}:${credential.password}`).toString('base64');
      return { header: `Basic ${pair}`, source, authenticated };
    }
    if (challenges.length > 0 && authenticated) {
      const schemes = challenges.map(({ scheme }) => scheme).join(', ');
      throw new BuildError(
        'REGISTRY_UNAUTHORIZED',
        `${endpoint.registry} wants ${schemes} authentication, for which the credential is not fit`,
        {
          hint: `Credentials: ${source}.`,
        },
      );
    }
    return { header: undefined, source, authenticated: false };
  };

  const cachedToken = async (
    challenge: Challenge,
    scopes: readonly string[],
    found: FoundCredential,
    signal: AbortSignal | undefined,
  ): Promise<string> => {
    const key = tokenKey(scopes, found.source);
    const known = tokens.get(key);
    if (known !== undefined && known.expires > http.retry.now()) return `Bearer ${(await known.token).token}`;
    const entry: CachedToken = {
      token: requestToken(http, endpoint, challenge, scopes, found, signal),
      expires: Number.POSITIVE_INFINITY,
    };
    tokens.set(key, entry);
    try {
      const { token, lifetime } = await entry.token;
      // A tenth early: clocks differ and requests take time.
      entry.expires = http.retry.now() + lifetime * 900;
      return `Bearer ${token}`;
    } catch (error) {
      if (tokens.get(key) === entry) tokens.delete(key);
      throw error;
    }
  };

  return {
    async authorize(challenges, scopes, signal) {
      const found = await keychain.lookup(endpoint.registry, scopes[0].repository);
      return authorize(challenges.length > 0 ? challenges : learned, scopeNames(scopes), found, signal);
    },
    async renew(challenges, scopes, failed, signal) {
      const found = await keychain.lookup(endpoint.registry, scopes[0].repository);
      const asked =
        challenges
          .find(({ scheme }) => scheme === 'bearer')
          ?.parameters.get('scope')
          ?.split(' ') ?? [];
      const names = [...new Set([...scopeNames(scopes), ...asked.filter((name) => name !== '')])];
      tokens.delete(tokenKey(scopeNames(scopes), found.source));
      tokens.delete(tokenKey(names, found.source));
      if (learned.length === 0) learned = challenges;
      const renewed = await authorize(challenges, names, found, signal);
      return renewed.header === undefined || renewed.header === failed.header ? undefined : renewed;
    },
  };
}

function scopeNames(scopes: readonly Scope[]): string[] {
  return scopes.map(({ repository, actions }) => `repository:${repository}:${actions}`);
}

function tokenKey(scopes: readonly string[], source: string): string {
  return JSON.stringify([source, ...[...scopes].sort()]);
}
