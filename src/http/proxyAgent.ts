// Connections through a proxy. node's own proxy agents look the proxy's name up by getaddrinfo whatever they are told.
import type { AgentOptions as PlainOptions } from 'node:http';
import type { AgentOptions as SecureOptions } from 'node:https';
import { connect as connectPlain } from 'node:net';
import type { LookupFunction, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectSecure } from 'node:tls';
import type { ConnectionOptions, SecureContext } from 'node:tls';
import { nodeHttp, nodeHttps } from './nodeHttp.ts';

const { Agent: PlainAgent } = nodeHttp();
const { Agent: SecureAgent } = nodeHttps();

export interface ProxyConnection {
  readonly proxy: URL;
  readonly lookup: LookupFunction;
  /** For a proxy that is itself reached by TLS. */
  readonly secureContext?: SecureContext;
}

type Created = (error: Error | null, socket: Duplex) => void;

const CONNECT_TIMEOUT = 30_000;
const HEAD_LIMIT = 64 * 1024;

/** The value of Proxy-Authorization for the user and password in a proxy's address. */
export function proxyAuthorization(proxy: URL): string | undefined {
  if (proxy.username === '') return undefined;
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

/** For plain HTTP: all connections go to the proxy, and requests name the whole address. */
export class ForwardingAgent extends PlainAgent {
  readonly #connection: ProxyConnection;

  constructor(options: PlainOptions, connection: ProxyConnection) {
    super(options);
    this.#connection = connection;
  }

  override createConnection(): Duplex {
    return connectToProxy(this.#connection);
  }
}

/** For HTTPS: a tunnel made by CONNECT, and TLS with the server inside it. */
export class TunnelAgent extends SecureAgent {
  readonly #connection: ProxyConnection;

  constructor(options: SecureOptions, connection: ProxyConnection) {
    super(options);
    this.#connection = connection;
  }

  override createConnection(options: ConnectionOptions, created?: Created): Duplex | undefined {
    const target = `${options.host?.includes(':') === true ? `[${options.host}]` : options.host}:${options.port}`;
    openTunnel(this.#connection, target).then(
      (socket) => created?.(null, connectSecure({ ...options, socket })),
      // node reads no socket beside an error, whatever its types say.
      (error: Error) => created?.(error, undefined as never),
    );
    return undefined;
  }
}

function openTunnel(connection: ProxyConnection, target: string): Promise<Socket> {
  const { proxy } = connection;
  const socket = connectToProxy(connection);
  const authorization = proxyAuthorization(proxy);
  socket.setTimeout(CONNECT_TIMEOUT);
  socket.write(
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization === undefined ? '' : `Proxy-Authorization: ${authorization}\r\n`}\r\n`,
  );
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const settle = (): void => {
      socket.off('readable', onReadable).off('close', onClose).off('timeout', onTimeout);
    };
    const fail = (error: Error): void => {
      settle();
      socket.destroy();
      reject(error);
    };
    const onClose = (): void => fail(proxyError(proxy, 'closed the connection', 'ECONNRESET'));
    const onTimeout = (): void => fail(proxyError(proxy, 'does not answer', 'HTTP_TIMEOUT'));
    const onReadable = (): void => {
      for (let chunk: Buffer | null; (chunk = socket.read() as Buffer | null) !== null;) {
        head = Buffer.concat([head, chunk]);
      }
      const end = head.indexOf('\r\n\r\n');
      if (end === -1 && head.length <= HEAD_LIMIT) return;
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(head.toString('latin1'))?.[1] ?? 'unknown';
      if (end === -1 || !status.startsWith('2')) {
        const code = ['502', '503', '504'].includes(status) ? 'ECONNREFUSED' : 'PROXY_REFUSED';
        fail(proxyError(proxy, `refused a tunnel to ${target} (status ${status})`, code));
        return;
      }
      settle();
      socket.off('error', fail).setTimeout(0);
      if (head.length > end + 4) socket.unshift(head.subarray(end + 4));
      resolve(socket);
    };
    socket.on('readable', onReadable).on('close', onClose).on('timeout', onTimeout).on('error', fail);
  });
}

function connectToProxy({ proxy, lookup, secureContext }: ProxyConnection): Socket {
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  const secure = proxy.protocol === 'https:';
  const port = proxy.port === '' ? (secure ? 443 : 80) : Number(proxy.port);
  if (!secure) return connectPlain({ host, port, lookup });
  return connectSecure({ host, port, lookup, ...(secureContext === undefined ? {} : { secureContext }) });
}

function proxyError(proxy: URL, what: string, code: string): Error {
  return Object.assign(new Error(`the proxy ${proxy.host} ${what}`), { code });
}
