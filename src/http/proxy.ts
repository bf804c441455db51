import { BlockList, isIP } from 'node:net';

/** Variables as the process was given them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL by HTTP_PROXY, HTTPS_PROXY and NO_PROXY (lower case names too), with Go's rules, which kaniko's
 * users rely on: NO_PROXY takes hosts with their subdomains, `.suffix`, `host:port`, addresses, CIDR ranges and `*`;
 * localhost and loopback addresses are never proxied.
 */
export function proxyFor(url: URL, environment: Environment): string | undefined {
  const secure = url.protocol === 'https:';
  const proxy = secure
    ? (environment['HTTPS_PROXY'] ?? environment['https_proxy'])
    : // A CGI script's HTTP_PROXY comes from a request header (httpoxy), so Go refuses it there.
      environment['REQUEST_METHOD'] === undefined
      ? (environment['HTTP_PROXY'] ?? environment['http_proxy'])
      : environment['http_proxy'];
  if (proxy === undefined || proxy.trim() === '') return undefined;
  const exceptions = environment['NO_PROXY'] ?? environment['no_proxy'] ?? '';
  if (isException(url, exceptions)) return undefined;
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy.trim() : `http://${proxy.trim()}`;
}

function isException(url: URL, exceptions: string): boolean {
  const host = url.hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  if (host === 'localhost' || (isIP(host) !== 0 && inSubnet(host, isIP(host) === 4 ? '127.0.0.0/8' : '::1/128'))) {
    return true;
  }
  return exceptions.split(/[\s,]+/).some((entry) => entry !== '' && matches(entry.toLowerCase(), host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return inSubnet(host, entry);
  const bare = entry.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) return bare === host;
  const [, name = '', wantedPort] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (wantedPort !== undefined && wantedPort !== port) return false;
  const address = name.replace(/^\[|\]$/g, '');
  if (isIP(address) !== 0) return address === host;
  const suffix = name.replace(/^\*(?=\.)/, '');
  return suffix.startsWith('.') ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
}

function inSubnet(host: string, subnet: string): boolean {
  const [network = '', bits = ''] = subnet.split('/');
  const family = isIP(host);
  if (family === 0 || isIP(network) !== family || !/^\d+$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) {
    return false;
  }
  const list = new BlockList();
  const name = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(network, Number(bits), name);
  return list.check(host, name);
}
