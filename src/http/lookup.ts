// Names to addresses without glibc. getaddrinfo loads name-service modules from the file system, and during an in-place
// build that is the image's: the executor would run the image's code.
import { Resolver } from 'node:dns/promises';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { hasErrno } from '../errors.ts';
import { parseHosts, parseResolvConf, searchNames } from './resolvConf.ts';
import type { HostsTable, ResolvConf } from './resolvConf.ts';

/** Asks name servers for the addresses of one full name. Rejects with c-ares' codes (`ENOTFOUND`, `ESERVFAIL`, …). */
export interface NameServer {
  resolve4(name: string): Promise<string[]>;
  resolve6(name: string): Promise<string[]>;
}

export interface LookupSources {
  readonly hosts: HostsTable;
  readonly resolvConf: ResolvConf;
  /** Default: c-ares with the servers of `resolvConf`. */
  readonly nameServer?: NameServer;
}

/** The machine's hosts file and resolv.conf, read now; either may be missing. */
export function readLookupSources(hostsPath = '/etc/hosts', resolvConfPath = '/etc/resolv.conf'): LookupSources {
  return { hosts: parseHosts(readIfThere(hostsPath)), resolvConf: parseResolvConf(readIfThere(resolvConfPath)) };
}

/**
 * A replacement for `dns.lookup`, as sockets take it: hosts file, `localhost`, then name servers with search domains and
 * ndots. IPv4 addresses come first. Fails with `ENOTFOUND` for a name that does not exist and with `EAI_AGAIN` where
 * servers did not answer.
 */
export function createLookup(sources: LookupSources): LookupFunction {
  const nameServer = sources.nameServer ?? createNameServer(sources.resolvConf);
  const answer = async (...[hostname, options, callback]: Parameters<LookupFunction>): Promise<void> => {
    let addresses: LookupAddress[];
    try {
      addresses = ofFamily(await find(hostname, sources, nameServer), options);
    } catch (error) {
      callback(error as NodeJS.ErrnoException, '', 0);
      return;
    }
    const [first] = addresses;
    if (first === undefined) callback(lookupError('ENOTFOUND', hostname), '', 0);
    else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  };
  return (hostname, options, callback) => void answer(hostname, options, callback);
}

async function find(hostname: string, sources: LookupSources, nameServer: NameServer): Promise<LookupAddress[]> {
  const family = isIP(hostname);
  if (family !== 0) return [{ address: hostname, family }];
  const name = hostname.toLowerCase();
  const bare = name.replace(/\.$/, '');
  const known = sources.hosts.get(bare);
  if (known !== undefined) return known.map((address) => ({ address, family: isIP(address) }));
  if (bare === 'localhost' || bare.endsWith('.localhost')) {
    return [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ];
  }
  let unanswered = false;
  for (const candidate of searchNames(name, sources.resolvConf)) {
    const answer = await ask(candidate, nameServer);
    if (answer.addresses.length > 0) return answer.addresses;
    unanswered ||= answer.unanswered;
  }
  throw lookupError(unanswered ? 'EAI_AGAIN' : 'ENOTFOUND', hostname);
}

async function ask(
  name: string,
  nameServer: NameServer,
): Promise<{ readonly addresses: LookupAddress[]; readonly unanswered: boolean }> {
  const [four, six] = await Promise.allSettled([nameServer.resolve4(name), nameServer.resolve6(name)]);
  const addresses: LookupAddress[] = [];
  let unanswered = false;
  for (const [answer, family] of [
    [four, 4],
    [six, 6],
  ] as const) {
    if (answer.status === 'fulfilled') addresses.push(...answer.value.map((address) => ({ address, family })));
    // "No such name", "no such record" and "not a name" are answers.
    else unanswered ||= !hasErrno(answer.reason, 'ENOTFOUND', 'ENODATA', 'EBADNAME', 'EBADQUERY');
  }
  return { addresses, unanswered };
}

function createNameServer({ servers, timeout, attempts }: ResolvConf): NameServer {
  const resolver = new Resolver({ timeout, tries: attempts });
  resolver.setServers(servers);
  return resolver;
}

function ofFamily(addresses: LookupAddress[], { family, order }: LookupOptions): LookupAddress[] {
  const number = family === 'IPv4' ? 4 : family === 'IPv6' ? 6 : (family ?? 0);
  const wanted = number === 0 ? addresses : addresses.filter((address) => address.family === number);
  return order === 'ipv6first' ? wanted.toSorted((a, b) => b.family - a.family) : wanted;
}

function lookupError(code: string, hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`getaddrinfo ${code} ${hostname}`), { code, hostname, syscall: 'getaddrinfo' });
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR')) return '';
    throw error;
  }
}
