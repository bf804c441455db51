import type { Agent } from 'node:http';
import type { AgentOptions } from 'node:https';
import type { LookupFunction } from 'node:net';
import { BuildError } from '../errors.ts';
import { nodeHttp, nodeHttps } from './nodeHttp.ts';
import { proxyFor } from './proxy.ts';
import type { Environment } from './proxy.ts';
import { parseRoots, readCertificates, readClientPem, readRootFiles } from './trust.ts';
import type { TlsPolicy } from './trust.ts';

/** A connection pool, and what requests over it have to look like. */
export interface Pool {
  readonly agent: Agent;
  /** Set for plain HTTP over a proxy: requests name the whole address, with these headers added. */
  readonly forward?: Readonly<Record<string, string>>;
}

/** Keep-alive connection pools, one per proxy and TLS policy. */
export interface Agents {
  poolFor(url: URL, policy: TlsPolicy): Promise<Pool>;
  close(): void;
}

export function createAgents(environment: Environment, lookup: LookupFunction): Agents {
  const pools = new Map<string, Promise<Pool>>();
  const rootFiles = readRootFiles(environment);
  let roots: string[] | undefined;

  const open = async (url: URL, policy: TlsPolicy, proxy: URL | undefined): Promise<Pool> => {
    const common = { keepAlive: true, maxFreeSockets: 16, lookup };
    const secure = url.protocol === 'https:';
    roots ??= secure || proxy?.protocol === 'https:' ? parseRoots(rootFiles) : undefined;
    if (proxy !== undefined) {
      const { ForwardingAgent, TunnelAgent, proxyAuthorization } = await import('./proxyAgent.ts');
      const proxyTls = proxy.protocol === 'https:' ? await tlsOptions({}, roots ?? []) : {};
      const connection = {
        proxy,
        lookup,
        ...(proxyTls.secureContext === undefined ? {} : { secureContext: proxyTls.secureContext }),
      };
      if (secure) {
        return { agent: new TunnelAgent({ ...common, ...(await tlsOptions(policy, roots ?? [])) }, connection) };
      }
      const authorization = proxyAuthorization(proxy);
      return {
        agent: new ForwardingAgent(common, connection),
        forward: authorization === undefined ? {} : { 'proxy-authorization': authorization },
      };
    }
    if (!secure) return { agent: new (nodeHttp().Agent)(common) };
    const { Agent: SecureAgent } = nodeHttps();
    return { agent: new SecureAgent({ ...common, ...(await tlsOptions(policy, roots ?? [])) }) };
  };

  return {
    poolFor(url, policy) {
      const proxy = proxyFor(url, environment);
      const key = JSON.stringify([url.protocol, proxy, url.protocol === 'https:' ? policy : null]);
      let pool = pools.get(key);
      if (pool === undefined) pools.set(key, (pool = open(url, policy, parseProxy(proxy))));
      return pool;
    },
    close() {
      for (const pool of pools.values()) {
        pool.then(
          ({ agent }) => agent.destroy(),
          () => {},
        );
      }
      pools.clear();
    },
  };
}

function parseProxy(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  throw new BuildError('PROXY_INVALID', `The proxy ${text} is not an http:// or https:// address`, {
    hint: 'It comes from HTTP_PROXY or HTTPS_PROXY.',
  });
}

async function tlsOptions(policy: TlsPolicy, roots: readonly string[]): Promise<AgentOptions> {
  const own = policy.certificate === undefined ? [] : readCertificates(policy.certificate);
  const verification = policy.verify === false ? { rejectUnauthorized: false } : {};
  const client =
    policy.client === undefined
      ? {}
      : { cert: readClientPem(policy.client.certificate), key: readClientPem(policy.client.key) };
  if (own.length + roots.length === 0 && policy.client === undefined) return verification;
  const tls = await import('node:tls');
  const ca =
    own.length + roots.length === 0
      ? {}
      : { ca: [...tls.getCACertificates('bundled'), ...tls.getCACertificates('extra'), ...roots, ...own] };
  // One context for all connections: parsing the roots for each would cost milliseconds every time.
  return { ...verification, secureContext: tls.createSecureContext({ ...ca, ...client }) };
}
