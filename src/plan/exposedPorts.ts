import { isIP } from 'node:net';
import { BuildError } from '../errors.ts';

/**
 * `port[-port][/protocol]`, the default protocol tcp, to `port/protocol` each. An address or a host's port before it is
 * read and dropped, as BuildKit does.
 * @throws BuildError `INSTRUCTION_INVALID` in BuildKit's words
 */
export function exposedPorts(word: string): readonly string[] {
  const parts = word.split(':');
  const hostPort = parts.length > 1 ? (parts.at(-2) ?? '') : '';
  const address = parts.slice(0, -2).join(':');
  const [ports, written] = splitOnce(parts.at(-1) ?? '');
  if (ports === '') throw invalid(`no port specified: ${parts.at(-1)}<empty>`);
  const protocol = written === '' ? 'tcp' : written.toLowerCase();
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) throw invalid(`invalid proto: ${protocol}`);
  const ip = address.replace(/^\[(.*)\]$/, '$1');
  if (ip !== '' && isIP(ip) === 0) throw invalid(`invalid IP address: ${ip}`);
  const [first, last] = portRange(ports) ?? fail(`invalid containerPort: ${ports}`);
  if (hostPort !== '') {
    const [hostFirst, hostLast] = portRange(hostPort) ?? fail(`invalid hostPort: ${hostPort}`);
    if (last !== first && last - first !== hostLast - hostFirst) {
      throw invalid(`invalid ranges specified for container and host Ports: ${ports} and ${hostPort}`);
    }
  }
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
}

function splitOnce(text: string): [string, string] {
  const slash = text.indexOf('/');
  return slash < 0 ? [text, ''] : [text.slice(0, slash), text.slice(slash + 1)];
}

function portRange(text: string): [number, number] | undefined {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first > 65_535 || last > 65_535 || last < first ? undefined : [first, last];
}

function fail(message: string): never {
  throw invalid(message);
}

function invalid(message: string): BuildError {
  return new BuildError('INSTRUCTION_INVALID', message);
}
