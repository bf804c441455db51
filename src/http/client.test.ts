import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createHttpClient } from './client.ts';
import type { HttpClient, HttpClientOptions } from './client.ts';
import { createLookup } from './lookup.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(t: TestContext, handler: Handler): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function client(t: TestContext, options: Partial<HttpClientOptions> = {}): HttpClient & { slept: number[] } {
  const slept: number[] = [];
  const http = createHttpClient({
    version: '1.2.3',
    ...options,
    retry: {
      ...options.retry,
      sleep: async (milliseconds) => {
        slept.push(milliseconds);
      },
    },
  });
  t.after(() => http.close());
  return { ...http, slept };
}

test('a registry that is overloaded for a moment is asked again, as late as it wishes', async (t) => {
  let requests = 0;
  const url = await serve(t, (_, response) => {
    requests++;
    if (requests === 1) response.writeHead(503).end();
    else if (requests === 2) response.writeHead(429, { 'retry-after': '7' }).end('slow down');
    else if (requests === 3) response.destroy();
    else response.end('good');
  });
  const http = client(t);
  const response = await http.request({ method: 'GET', url });
  assert.equal((await response.bytes(100)).toString(), 'good');
  assert.deepEqual(http.slept, [500, 7000, 2000]);
});

test('tries come to an end, with the last response or an error that names the host', async (t) => {
  const url = await serve(t, (_, response) => response.writeHead(500).end('broken'));
  const http = client(t, { retry: { attempts: 3 } });
  const response = await http.request({ method: 'GET', url });
  assert.equal(response.status, 500);
  assert.equal((await response.bytes(100)).toString(), 'broken');
  assert.equal(http.slept.length, 2);
  const cut = await serve(t, (_, answer) => answer.destroy());
  await assert.rejects(http.request({ method: 'GET', url: `${cut}/path?signature=secret` }), (error: Error) => {
    assert.match(error.message, /Can't reach 127\.0\.0\.1:\d+: .*tried 3 times/);
    assert.doesNotMatch(JSON.stringify(error) + error.message, /secret/);
    return true;
  });
});

test('a request body is sent anew with each try and each redirect', async (t) => {
  const received: string[] = [];
  let requests = 0;
  const url = await serve(t, (request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      received.push(`${request.url} ${text}`);
      requests++;
      if (requests === 1) response.writeHead(502).end();
      else if (requests === 2) response.writeHead(307, { location: '/moved' }).end();
      else response.writeHead(201).end();
    });
  });
  let opened = 0;
  const response = await client(t).request({
    method: 'PUT',
    url,
    body: async function* () {
      opened++;
      yield Buffer.from('a');
      yield Buffer.from('b');
    },
  });
  await response.discard();
  assert.equal(response.status, 201);
  assert.equal(opened, 3);
  assert.deepEqual(received, ['/ ab', '/ ab', '/moved ab']);
});

test('credentials do not come back after a detour over another origin', async (t) => {
  const seen: (string | undefined)[] = [];
  let other = '';
  const home = await serve(t, (request, response) => {
    seen.push(request.headers.authorization);
    if (request.url === '/') response.writeHead(307, { location: `${other}/away` }).end();
    else response.end('home');
  });
  other = await serve(t, (request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(307, { location: `${home}/back` }).end();
  });
  const response = await client(t).request({ method: 'GET', url: home, headers: { authorization: 'Basic x' } });
  await response.discard();
  assert.deepEqual(seen, ['Basic x', undefined, undefined]);
  assert.equal(response.url.pathname, '/back');
});

test('redirects in a circle end', async (t) => {
  const url = await serve(t, (_, response) => response.writeHead(302, { location: '/again' }).end());
  await assert.rejects(client(t).request({ method: 'GET', url }), { code: 'REDIRECT_INVALID' });
});

test('a server that falls silent is given up: before the head, within the body, and while it should read', async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === '/head') return;
    if (request.url === '/upload') {
      request.pause();
      return;
    }
    response.writeHead(200, { 'content-length': '10' });
    response.write('half');
  });
  const http = client(t, { timeouts: { idle: 100 }, retry: { attempts: 1 } });
  await assert.rejects(http.request({ method: 'GET', url: `${url}/head` }), /timed out/);
  const response = await http.request({ method: 'GET', url: `${url}/body` });
  await assert.rejects(response.bytes(100), /timed out/);
  await assert.rejects(
    http.request({
      method: 'PUT',
      url: `${url}/upload`,
      body: async function* () {
        for (;;) yield Buffer.alloc(1024 * 1024);
      },
    }),
    /timed out/,
  );
});

test('a slow reader and a slow source of a body are not taken for a dead server', async (t) => {
  const { setTimeout } = await import('node:timers/promises');
  const big = Buffer.alloc(8 * 1024 * 1024);
  const url = await serve(t, (request, response) => {
    request.resume().on('end', () => response.end(big));
  });
  const response = await client(t, { timeouts: { idle: 100 } }).request({
    method: 'PUT',
    url,
    body: async function* () {
      yield Buffer.from('a');
      await setTimeout(300);
      yield Buffer.from('b');
    },
  });
  let size = 0;
  for await (const chunk of response.body) {
    if (size === 0) await setTimeout(300);
    size += chunk.length;
  }
  assert.equal(size, big.length);
});

test('a body that was cut is an error, not a short body', async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === '/length') response.writeHead(200, { 'content-length': '10' });
    response.write('half', () => response.destroy());
  });
  const http = client(t);
  for (const path of ['/length', '/chunked']) {
    const response = await http.request({ method: 'GET', url: url + path });
    await assert.rejects(response.bytes(100), path);
  }
});

test('an answer before the end of an upload is heard, and a broken source is told as it is', async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === '/early') response.writeHead(413).end('too large');
    else request.resume();
  });
  const http = client(t);
  const response = await http.request({
    method: 'PUT',
    url: `${url}/early`,
    body: async function* () {
      for (;;) {
        yield Buffer.alloc(65536);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  });
  assert.equal(response.status, 413);
  await response.discard();
  const broken = new Error('disk on fire');
  await assert.rejects(
    http.request({
      method: 'PUT',
      url,
      // oxlint-disable-next-line require-yield
      body: async function* () {
        throw broken;
      },
    }),
    broken,
  );
});

test('an abort ends a request, a wait and a body at once', async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === '/body') response.write('x');
  });
  const http = client(t);
  for (const path of ['/head', '/body']) {
    const controller = new AbortController();
    const reason = new Error('enough');
    setImmediate(() => setTimeout(() => controller.abort(reason), 50));
    await assert.rejects(async () => {
      const response = await http.request({ method: 'GET', url: url + path, signal: controller.signal });
      await response.bytes(10);
    }, reason);
  }
});

test('a response larger than its limit is refused', async (t) => {
  const url = await serve(t, (_, response) => response.end(Buffer.alloc(1000)));
  const response = await client(t).request({ method: 'GET', url });
  await assert.rejects(response.bytes(999), { code: 'RESPONSE_TOO_LARGE' });
});

test('says who it is, resolves names by the given look-up, and uses a proxy for plain HTTP', async (t) => {
  const seen: string[] = [];
  const handler: Handler = (request, response) => {
    seen.push(
      `${request.headers['user-agent']} ${request.headers.host} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`,
    );
    response.end();
  };
  const port = new URL(await serve(t, handler)).port;
  const lookup = createLookup({
    hosts: new Map([
      ['registry.test', ['127.0.0.1']],
      ['proxy.test', ['127.0.0.1']],
    ]),
    resolvConf: { servers: [], search: [], ndots: 1, timeout: 100, attempts: 1 },
    nameServer: { resolve4: async () => [], resolve6: async () => [] },
  });
  const direct = client(t, { lookup, environment: { UPSTREAM_CLIENT_TYPE: 'ci' } });
  await (await direct.request({ method: 'GET', url: `http://registry.test:${port}/a` })).discard();
  const proxied = client(t, { lookup, environment: { HTTP_PROXY: `http://user:pass@proxy.test:${port}` } });
  await (await proxied.request({ method: 'GET', url: 'http://elsewhere.test/b' })).discard();
  assert.deepEqual(seen, [
    `kasane/1.2.3,ci registry.test:${port} /a `,
    'kasane/1.2.3 elsewhere.test http://elsewhere.test/b Basic dXNlcjpwYXNz',
  ]);
  await assert.rejects(
    direct.request({ method: 'GET', url: 'http://unknown.test/' }),
    (error: Error & { hint?: string }) => {
      assert.match(error.message, /Can't reach unknown\.test/);
      assert.match(error.hint ?? '', /name/);
      return true;
    },
  );
});
