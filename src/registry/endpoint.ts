import { DOCKER_HUB, normaliseRegistry } from '../credentials/registryKey.ts';
import type { TlsPolicy } from '../http/trust.ts';
import type { RegistryOptions } from './options.ts';

export type Direction = 'pull' | 'push';

/** Where a registry's API is, and how it may be reached. */
export interface Endpoint {
  /** As `Reference.registry`. */
  readonly registry: string;
  readonly host: string;
  /** Plain HTTP is allowed if HTTPS is not spoken there. */
  readonly insecure: boolean;
  readonly tls: TlsPolicy;
}

export function endpointOf(registry: string, direction: Direction, options: RegistryOptions): Endpoint {
  const names = (candidate: string): boolean => normaliseRegistry(candidate) === registry;
  const certificate = [...options.certificates].find(([name]) => names(name))?.[1];
  const client = [...(options.clientCertificates ?? [])].find(([name]) => names(name))?.[1];
  const verify = !(
    options.skipTlsVerify ||
    (direction === 'pull' && options.skipTlsVerifyPull) ||
    options.skipTlsVerifyRegistries.some(names)
  );
  return {
    registry,
    host: registry === DOCKER_HUB ? 'registry-1.docker.io' : registry,
    insecure:
      (direction === 'pull' ? options.insecurePull : options.insecurePush) ||
      options.insecureRegistries.some(names) ||
      isLocal(registry),
    tls: {
      ...(verify ? {} : { verify: false }),
      ...(certificate === undefined ? {} : { certificate }),
      ...(client === undefined ? {} : { client }),
    },
  };
}

/** For another host that the registry sends us to: a client certificate is a credential, and not for that one. */
export function tlsForOthers({ tls }: Endpoint): TlsPolicy {
  const { client: _client, ...rest } = tls;
  return rest;
}

/** kaniko's rule for registries that may speak plain HTTP unasked: this machine, `.local` names, private IPv4 addresses. */
function isLocal(registry: string): boolean {
  const host = registry.replace(/:\d+$/, '').toLowerCase();
  return (
    host === 'localhost' ||
    host === '[::1]' ||
    host.endsWith('.localhost') ||
    host.endsWith('.local') ||
    /^127\.\d+\.\d+\.\d+$/.test(host) ||
    /^(?:10\.\d+|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d+\.\d+$/.test(host)
  );
}
