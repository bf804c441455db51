import type { Agent } from 'node:http';
import type { AgentOptions } from 'node:https';
import type { LookupFunction } from 'node:net';
import { proxyFor } from './proxy.ts';
import type { Environment } from './proxy.ts';
import { environmentRoots, readCertificates, readClientPem } from './trust.ts';
import type { TlsPolicy } from './trust.ts';

/** Keep-alive connection pools, one per proxy and TLS policy. */
export interface Agents {
  agentFor(url: URL, policy: TlsPolicy): Promise<Agent>;
  close(): void;
}

export function createAgents(environment: Environment, lookup: LookupFunction | undefined): Agents {
  const pools = new Map<string, Promise<Agent>>();
  let roots: string[] | undefined;

  const open = async (url: URL, policy: TlsPolicy, proxy: string | undefined): Promise<Agent> => {
    const common = {
      keepAlive: true,
      maxFreeSockets: 16,
      ...(lookup === undefined ? {} : { lookup }),
      // Whether to use the proxy is decided by proxyFor: node's NO_PROXY knows no CIDR ranges.
      ...(proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
    };
    if (url.protocol === 'http:') return new (await import('node:http')).Agent(common);
    roots ??= environmentRoots(environment);
    const { Agent: SecureAgent } = await import('node:https');
    return new SecureAgent({ ...common, ...(await tlsOptions(policy, roots)) });
  };

  return {
    agentFor(url, policy) {
      const proxy = proxyFor(url, environment);
      const key = JSON.stringify([url.protocol, proxy, url.protocol === 'https:' ? policy : null]);
      let pool = pools.get(key);
      if (pool === undefined) pools.set(key, (pool = open(url, policy, proxy)));
      return pool;
    },
    close() {
      for (const pool of pools.values()) void pool.then((agent) => agent.destroy());
      pools.clear();
    },
  };
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
