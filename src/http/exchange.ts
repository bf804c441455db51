import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Pool } from './agents.ts';
import { nodeHttp, nodeHttps } from './nodeHttp.ts';
import { createWatchdog } from './watchdog.ts';
import type { Watchdog } from './watchdog.ts';

/** Milliseconds without any progress. */
export interface Timeouts {
  readonly connect: number;
  readonly idle: number;
}

export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly pool: Pool;
  /** Closed early if the server answers before it has read everything. */
  readonly body?: AsyncIterable<Uint8Array>;
  readonly timeouts: Timeouts;
  readonly signal?: AbortSignal;
}

export interface ExchangeResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Has to be read, or `close` called. Throws if the body was cut. */
  readonly body: AsyncGenerator<Uint8Array, void, undefined>;
  /** Gives up a body that nobody has begun to read, and its connection. */
  close(): void;
}

/** A failure to read the request's body, which no second try mends. */
class SourceError extends Error {}

/**
 * One request and its response, no retry, no redirect. Rejects with node's error, with one of code `HTTP_TIMEOUT`, with
 * the signal's reason, or with what the body's source threw.
 */
export async function exchange(options: Exchange): Promise<ExchangeResponse> {
  options.signal?.throwIfAborted();
  const { request: open } = options.url.protocol === 'https:' ? nodeHttps() : nodeHttp();
  const request = open(options.url, {
    method: options.method,
    headers: { ...options.headers, ...options.pool.forward },
    agent: options.pool.agent,
    ...(options.pool.forward === undefined
      ? {}
      : { path: `${options.url.origin}${options.url.pathname}${options.url.search}` }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const state: ExchangeState = { phase: 'connecting', sourcePending: false, message: undefined };
  const watchdog = createWatchdog(() => (state.message ?? request).destroy(timeoutError(state.phase)));
  watchdog.arm(options.timeouts.connect);
  const connected = (): void => {
    state.phase = 'waiting for the server';
    if (state.sourcePending) watchdog.disarm();
    else watchdog.arm(options.timeouts.idle);
  };
  request.once('socket', (socket) => {
    const handshake = 'secureConnecting' in socket && socket.secureConnecting === true;
    if (!socket.connecting && !handshake) connected();
    else socket.once('secureConnecting' in socket ? 'secureConnect' : 'connect', connected);
  });
  try {
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', (message: IncomingMessage) => {
        state.message = message;
        resolve(message);
      });
      request.on('error', reject);
    });
    const sent = sendBody(request, options, watchdog, state);
    // A server may answer before it has read the body.
    const message = await Promise.race([response, sent.then(() => response)]);
    return {
      status: message.statusCode ?? 0,
      headers: message.headers,
      body: readBody(message, request, watchdog, options),
      close() {
        watchdog.close();
        request.destroy();
      },
    };
  } catch (error) {
    watchdog.close();
    request.destroy();
    options.signal?.throwIfAborted();
    throw error instanceof SourceError ? error.cause : error;
  }
}

interface ExchangeState {
  phase: string;
  /** The body's source is slow for reasons of its own; only the network is watched. */
  sourcePending: boolean;
  message: IncomingMessage | undefined;
}

async function sendBody(
  request: ClientRequest,
  { body, timeouts }: Exchange,
  watchdog: Watchdog,
  state: ExchangeState,
): Promise<void> {
  if (body === undefined) {
    request.end();
    return;
  }
  try {
    state.sourcePending = true;
    for await (const chunk of body) {
      state.sourcePending = false;
      if (request.destroyed || state.message !== undefined) return;
      if (!request.write(chunk)) {
        if (state.phase !== 'connecting') watchdog.arm(timeouts.idle);
        await drained(request);
      }
      state.sourcePending = true;
      if (state.phase !== 'connecting') watchdog.disarm();
    }
  } catch (cause) {
    if (request.destroyed) return;
    throw new SourceError('the body could not be read', { cause });
  } finally {
    state.sourcePending = false;
  }
  if (state.phase !== 'connecting') watchdog.arm(timeouts.idle);
  request.end();
}

function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      request.off('drain', done).off('close', done);
      resolve();
    };
    request.on('drain', done).on('close', done);
  });
}

async function* readBody(
  message: IncomingMessage,
  request: ClientRequest,
  watchdog: Watchdog,
  { timeouts, signal }: Exchange,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    watchdog.arm(timeouts.idle);
    for await (const chunk of message as AsyncIterable<Uint8Array>) {
      watchdog.disarm();
      yield chunk;
      watchdog.arm(timeouts.idle);
    }
    if (!request.writableEnded) request.destroy();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    watchdog.close();
    if (!message.complete) request.destroy();
  }
}

function timeoutError(phase: string): Error {
  return Object.assign(new Error(`timed out ${phase}`), { code: 'HTTP_TIMEOUT' });
}
