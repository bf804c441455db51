import { formatPlatform } from '../image/platform.ts';
import type { Platform } from '../image/platform.ts';

const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'];

/** Arguments that are never in an environment: BuildKit's own switches. */
const NOT_ENVIRONMENT: ReadonlySet<string> = new Set(['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE']);

/** What global scope holds before the first ARG. `target` is the stage that is built. */
export function platformArgs(build: Platform, wanted: Platform, target: string): ReadonlyMap<string, string> {
  return new Map([...argsOf('BUILD', build), ...argsOf('TARGET', wanted), ['TARGETSTAGE', target]]);
}

function argsOf(prefix: string, platform: Platform): readonly (readonly [string, string])[] {
  return [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, platform['os.version'] ?? ''],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ];
}

/** Proxies among the build arguments, as RUN sees them without ARG: in upper and in lower case. */
export function proxyVariables(buildArgs: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const name of [...buildArgs.keys()].toSorted()) {
    if (isProxyName(name)) values.set(name.toUpperCase(), buildArgs.get(name) ?? '');
  }
  const variables = new Map<string, string>();
  for (const name of PROXIES) {
    const value = values.get(name);
    if (value === undefined || value === '') continue;
    variables.set(name, value).set(name.toLowerCase(), value);
  }
  return variables;
}

function isProxyName(name: string): boolean {
  return PROXIES.includes(name.toUpperCase());
}

/** False for arguments that only steer the builder. */
export function entersEnvironment(name: string): boolean {
  return !NOT_ENVIRONMENT.has(name);
}

/** True if a build argument of this name means something though no ARG declares it. */
export function needsNoDeclaration(name: string): boolean {
  return isProxyName(name) || name.startsWith('BUILDKIT_') || name === 'SOURCE_DATE_EPOCH';
}
