import { createServer, request as forward } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

/** What goes wrong with one request. */
export type Fault =
  /** The connection is reset before anything is read or answered. */
  | { readonly kind: 'reset' }
  /** Half of the request's body reaches the server, then the connection is reset. */
  | { readonly kind: 'cut-request' }
  /** The server does as asked, but its answer is lost. */
  | { readonly kind: 'lose-answer' }
  /** Half of the response's body arrives, then the connection is reset. */
  | { readonly kind: 'cut' }
  /** Nothing comes, and the connection stays. */
  | { readonly kind: 'stall' }
  /** Half of the response's body comes, then nothing. */
  | { readonly kind: 'stall-body' }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** One byte of the body is another. */
  | { readonly kind: 'damage' }
  /** The body is a byte shorter than it should be, and its length says so. */
  | { readonly kind: 'shorten' }
  /** The body goes on after its end. */
  | { readonly kind: 'lengthen' };

/** Decides about a request; answering it there and then is a decision too. */
export type Intercept = (
  request: IncomingMessage,
  response: ServerResponse,
  /** Of this proxy's requests, from 0. */
  index: number,
) => Fault | 'answered' | undefined;

export interface FaultProxy {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** `METHOD path` of every request so far. */
  readonly requests: string[];
  intercept: Intercept;
}

/** A registry's other face, on a free loopback port: passes requests on, except for what `intercept` decides. */
export async function startFaultProxy(t: TestContext, upstream: string, intercept: Intercept): Promise<FaultProxy> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const index = requests.length;
    requests.push(`${request.method} ${request.url?.replace(/\?.*/, '')}`);
    const decision = proxy.intercept(request, response, index);
    if (decision === 'answered') return;
    misbehave(upstream, request, response, decision);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const proxy: FaultProxy = { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, requests, intercept };
  return proxy;
}

function misbehave(
  upstream: string,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
): void {
  switch (fault?.kind) {
    case 'reset':
      request.socket.resetAndDestroy();
      return;
    case 'stall':
      return;
    case 'status':
      request.resume();
      response
        .writeHead(fault.status, fault.headers)
        .end('{"errors":[{"code":"TEST","message":"a fault of the test"}]}');
      return;
    case 'cut-request':
    case 'lose-answer':
    case 'cut':
    case 'stall-body':
    case 'damage':
    case 'shorten':
    case 'lengthen':
    case undefined:
      pass(upstream, request, response, fault);
  }
}

function pass(upstream: string, request: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
  const [host, port] = upstream.split(':');
  const through = forward({ host, port, method: request.method, path: request.url, headers: request.headers });
  through.on('error', () => request.socket.destroy());
  if (fault?.kind === 'cut-request') {
    request.once('data', (chunk: Buffer) => {
      through.write(chunk.subarray(0, chunk.length >> 1), () => {
        through.destroy();
        request.socket.resetAndDestroy();
      });
    });
    request.once('end', () => request.socket.resetAndDestroy());
  } else {
    request.pipe(through);
  }
  through.once('response', (answer) => {
    const chunks: Buffer[] = [];
    answer.on('data', (chunk: Buffer) => chunks.push(chunk));
    answer.once('end', () => reply(request, response, answer, Buffer.concat(chunks), fault));
  });
}

function reply(
  request: IncomingMessage,
  response: ServerResponse,
  answer: IncomingMessage,
  body: Buffer,
  fault: Fault | undefined,
): void {
  const status = answer.statusCode ?? 500;
  const headers = { ...answer.headers };
  const half = body.subarray(0, body.length >> 1);
  switch (fault?.kind) {
    case 'lose-answer':
      request.socket.resetAndDestroy();
      return;
    case 'cut':
      response.writeHead(status, headers);
      response.write(half, () => setImmediate(() => request.socket.resetAndDestroy()));
      return;
    case 'stall-body':
      response.writeHead(status, headers);
      response.write(half);
      return;
    case 'damage': {
      const damaged = Buffer.from(body);
      damaged.writeUInt8((damaged.at(half.length) ?? 0) ^ 1, half.length);
      response.writeHead(status, headers).end(damaged);
      return;
    }
    case 'shorten':
      response
        .writeHead(status, { ...headers, 'content-length': Math.max(0, body.length - 1) })
        .end(body.subarray(0, -1));
      return;
    case 'lengthen':
      delete headers['content-length'];
      response.writeHead(status, headers);
      response.write(body);
      response.end(Buffer.alloc(1000));
      return;
    case 'reset':
    case 'stall':
    case 'status':
    case 'cut-request':
    case undefined:
      response.writeHead(status, headers).end(body);
  }
}
