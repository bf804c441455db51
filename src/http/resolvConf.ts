import { isIP } from 'node:net';

/** Names in lower case to their addresses, IPv4 first. */
export type HostsTable = ReadonlyMap<string, readonly string[]>;

/** resolv.conf(5), as far as a client of ours needs it. */
export interface ResolvConf {
  /** As `dns.setServers` takes them. */
  readonly servers: readonly string[];
  readonly search: readonly string[];
  /** A name with at least so many dots is tried as it is first. */
  readonly ndots: number;
  /** Milliseconds for one try. */
  readonly timeout: number;
  readonly attempts: number;
}

/** hosts(5). */
export function parseHosts(text: string): HostsTable {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const name of names.map((part) => part.toLowerCase().replace(/\.$/, ''))) {
      const known = hosts.get(name);
      if (known === undefined) hosts.set(name, [address]);
      else if (!known.includes(address)) known.push(address);
    }
  }
  for (const addresses of hosts.values()) addresses.sort((a, b) => isIP(a) - isIP(b));
  return hosts;
}

/** The last `search` or `domain` counts; options that are not understood are passed over, as glibc does. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let search: readonly string[] = [];
  const options = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [keyword = '', ...values] = line
      .replace(/^\s*[#;].*/, '')
      .trim()
      .split(/\s+/);
    const [first] = values;
    if (keyword === 'nameserver' && first !== undefined && isServer(first)) servers.push(first);
    else if (keyword === 'search') search = values;
    else if (keyword === 'domain' && first !== undefined) search = [first];
    else if (keyword === 'options') {
      for (const value of values) options.set(value.split(':')[0] ?? '', value.slice(value.indexOf(':') + 1));
    }
  }
  return {
    // glibc's limits: three servers, ndots 15, timeout 30 s, five tries.
    servers: servers.length === 0 ? ['127.0.0.1'] : servers.slice(0, 3),
    search: search.map((domain) => domain.toLowerCase().replace(/\.$/, '')).filter((domain) => domain !== ''),
    ndots: optionNumber(options.get('ndots'), 1, 15),
    timeout: Math.max(1, optionNumber(options.get('timeout'), 5, 30)) * 1000,
    attempts: Math.max(1, optionNumber(options.get('attempts'), 2, 5)),
  };
}

/** The full names to ask for, in order. */
export function searchNames(name: string, { search, ndots }: Pick<ResolvConf, 'search' | 'ndots'>): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const searched = search.map((domain) => `${name}.${domain}`);
  const dots = name.split('.').length - 1;
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}

function isServer(address: string): boolean {
  return isIP(address.replace(/%.*$/, '')) !== 0;
}

function optionNumber(text: string | undefined, fallback: number, most: number): number {
  return text !== undefined && /^\d+$/.test(text) ? Math.min(Number(text), most) : fallback;
}
