import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { BuildError } from '../../src/errors.ts';
import { pushImage } from '../../src/registry/pushImage.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { startFaultProxy } from './faultProxy.ts';
import type { FaultProxy } from './faultProxy.ts';
import { freePort, REGISTRY_MISSING, startRegistry } from './registry.ts';
import { testClient, testImage, testStore } from './registryClient.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const skip = REGISTRY_MISSING === undefined ? {} : { skip: REGISTRY_MISSING };
/** `kasane` with the password `geheim`, bcrypt. */
const HTPASSWD = 'kasane:$2y$05$abcdefghijklmnopqrstuuVWu8RjbNovPZWAMRdd7iqaaG0mI53Uu\n';
const BASIC = { auth: Buffer.from('kasane:geheim').toString('base64') };

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-auth-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test(
  'Basic: the right password pushes and pulls, a wrong one and none are told with where they came from',
  skip,
  async (t) => {
    const htpasswd = join(temporary(t), 'htpasswd');
    writeFileSync(htpasswd, HTPASSWD);
    const { host } = await startRegistry(t, { htpasswd });
    const destination = parseReference(`${host}/app:1`);
    const store = testStore(t);
    const image = testImage(store, [1000]);
    const client = testClient(t, { config: { auths: { [host]: BASIC } } });
    await client.checkPushPermission(destination);
    await pushImage(client, store, { ...image, destinations: [destination] });
    assert.equal((await client.resolveImage(destination, AMD64)).layers.length, 1);

    const wrong = testClient(t, { config: { auths: { [host]: { username: 'kasane', password: 'falsch' } } } });
    await assert.rejects(wrong.checkPushPermission(destination), (error) => {
      assert.ok(error instanceof BuildError);
      assert.equal(error.code, 'PUSH_NOT_PERMITTED');
      assert.match(
        error.message,
        /^error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: .*refused the credentials/,
      );
      assert.match(error.hint ?? '', /127\.0\.0\.1:\d+ in \$DOCKER_AUTH_CONFIG/);
      assert.doesNotMatch(`${error.message}${error.hint}`, /falsch/);
      return true;
    });
    await assert.rejects(testClient(t).resolveImage(destination, AMD64), (error) => {
      assert.ok(error instanceof BuildError);
      assert.equal(error.code, 'REGISTRY_UNAUTHORIZED');
      assert.match(error.hint ?? '', /no docker configuration file was found/);
      return true;
    });
  },
);

interface TokenServer {
  readonly proxy: FaultProxy;
  /** Of every token request: what it was and what it asked for. */
  readonly tokens: string[];
  /** Tokens given out until now are refused from now on. */
  readonly revoke: () => void;
}

/** A registry that wants bearer tokens, and its token server, both on one loopback port. */
async function startTokenRegistry(t: TestContext, upstream: string): Promise<TokenServer> {
  const tokens: string[] = [];
  let generation = 0;
  const answer = async (request: IncomingMessage): Promise<{ status: number; body: object }> => {
    const url = new URL(request.url ?? '', 'http://x');
    let form = '';
    for await (const chunk of request) form += String(chunk);
    const post = new URLSearchParams(form);
    const scopes = request.method === 'POST' ? (post.get('scope') ?? '').split(' ') : url.searchParams.getAll('scope');
    const basic = Buffer.from(request.headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString();
    const who = request.method === 'POST' ? `refresh ${post.get('refresh_token')}` : basic || 'anonymous';
    tokens.push(`${who}: ${scopes.join(' ')}`);
    if (!['anonymous', 'kasane:geheim', 'refresh identity'].includes(who)) {
      return { status: 401, body: { details: 'incorrect username or password' } };
    }
    const granted =
      who === 'anonymous'
        ? scopes.map((scope) => scope.replace(/pull,push$/, 'pull')).filter((scope) => scope.endsWith(':pull'))
        : scopes;
    const token = Buffer.from(JSON.stringify({ generation, granted })).toString('base64url');
    return { status: 200, body: request.method === 'POST' ? { access_token: token } : { token, expires_in: 300 } };
  };
  const proxy = await startFaultProxy(t, upstream, (request, response) => {
    if (request.url?.startsWith('/token') === true) {
      void answer(request).then(({ status, body }) => response.writeHead(status).end(JSON.stringify(body)));
      return 'answered';
    }
    const repository = /^\/v2\/(.+?)\/(?:blobs|manifests)\//.exec(request.url ?? '')?.[1];
    const action = ['GET', 'HEAD'].includes(request.method ?? '') ? 'pull' : 'push';
    const bearer = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
    if (bearer === 'registry-token') return undefined;
    const { generation: made, granted } = parseToken(bearer);
    const permitted = granted.some((scope) => scope.startsWith(`repository:${repository}:`) && scope.includes(action));
    if (made === generation && (repository === undefined || permitted)) return undefined;
    request.resume();
    response
      .writeHead(401, {
        'www-authenticate': `Bearer realm="http://${proxy.host}/token",service="test"${repository === undefined ? '' : `,scope="repository:${repository}:${action}"`}`,
      })
      .end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
    return 'answered';
  });
  return { proxy, tokens, revoke: () => generation++ };
}

function parseToken(token: string): { generation: number; granted: string[] } {
  if (token === '') return { generation: -1, granted: [] };
  return JSON.parse(Buffer.from(token, 'base64url').toString()) as { generation: number; granted: string[] };
}

test('Bearer: tokens are asked for by scope, once each, and again when they are refused', skip, async (t) => {
  const { host } = await startRegistry(t);
  const { proxy, tokens, revoke } = await startTokenRegistry(t, host);
  const store = testStore(t);
  const image = testImage(store, [1000, 2000]);
  const client = testClient(t, { config: { auths: { [proxy.host]: BASIC } } });
  const [first, second] = ['team/app:1', 'other:1'].map((name) => parseReference(`${proxy.host}/${name}`));
  assert.ok(first !== undefined && second !== undefined);
  await pushImage(client, store, { ...image, destinations: [first] });
  assert.deepEqual(tokens, ['kasane:geheim: repository:team/app:pull,push']);
  revoke();
  await pushImage(client, store, { ...image, destinations: [first, second] });
  assert.ok(tokens.includes('kasane:geheim: repository:other:pull,push repository:team/app:pull'), tokens.join('\n'));
  assert.equal(proxy.requests.filter((request) => request.startsWith('PATCH /v2/other/')).length, 0);

  const anonymous = testClient(t);
  assert.equal((await anonymous.resolveImage(first, AMD64)).layers.length, 2);
  assert.equal(tokens.at(-1), 'anonymous: repository:team/app:pull');
  await assert.rejects(anonymous.checkPushPermission(first), { code: 'PUSH_NOT_PERMITTED' });
});

test('Bearer: identity tokens are exchanged, registry tokens used as they are, refused ones told', skip, async (t) => {
  const { host } = await startRegistry(t);
  const { proxy, tokens } = await startTokenRegistry(t, host);
  const target = parseReference(`${proxy.host}/app:1`);
  const withEntry = (entry: object) => testClient(t, { config: { auths: { [proxy.host]: entry } } });
  await withEntry({ identitytoken: 'identity' }).checkPushPermission(target);
  assert.equal(tokens.at(-1), 'refresh identity: repository:app:pull,push');
  const before = tokens.length;
  await withEntry({ registrytoken: 'registry-token' }).checkPushPermission(target);
  assert.equal(tokens.length, before);
  await assert.rejects(withEntry({ identitytoken: 'secret-of-mine' }).checkPushPermission(target), (error) => {
    assert.ok(error instanceof BuildError);
    assert.match(error.message, /incorrect username or password/);
    assert.doesNotMatch(`${error.message}${error.hint}${JSON.stringify(error.facts)}`, /secret-of-mine/);
    return true;
  });
});

test(
  'credentials stay with the registry: not to the host it redirects to, nor to a foreign layer’s',
  skip,
  async (t) => {
    const { host } = await startRegistry(t);
    const store = testStore(t);
    const image = testImage(store, [5000]);
    await pushImage(testClient(t), store, { ...image, destinations: [parseReference(`${host}/app:1`)] });
    const seen: (string | undefined)[] = [];
    const elsewhere = await startFaultProxy(t, host, (request) => {
      seen.push(request.headers.authorization);
      return undefined;
    });
    const [layer] = image.layers;
    assert.ok(layer !== undefined);
    const { digest } = layer.descriptor;
    let redirect = true;
    const { proxy } = await startTokenRegistry(t, host);
    const guarded = proxy.intercept;
    proxy.intercept = (request, response, index) => {
      const decision = guarded(request, response, index);
      if (decision !== undefined || request.url?.includes('/blobs/') !== true) return decision;
      response.writeHead(redirect ? 307 : 404, { location: `http://${elsewhere.host}/v2/app/blobs/${digest}` }).end();
      return 'answered';
    };
    const client = testClient(t, { config: { auths: { [proxy.host]: BASIC } } });
    const locations = [{ kind: 'registry', registry: proxy.host, repository: 'app' }] as const;
    await client.pullBlob(testStore(t), { ...layer, locations });
    redirect = false;
    await assert.rejects(client.pullBlob(testStore(t), { ...layer, locations }), { code: 'REGISTRY_NOT_FOUND' });
    const urls = [`http://kasane:geheim@${elsewhere.host}/v2/app/blobs/${digest}`];
    await client.pullBlob(testStore(t), { descriptor: { ...layer.descriptor, urls }, locations });
    assert.deepEqual(seen, [undefined, undefined]);
  },
);

test(
  'TLS: a registry is believed by its own certificate, by SSL_CERT_FILE, SSL_CERT_DIR, or unverified; never otherwise',
  { ...skip, ...(existsSync('/usr/bin/openssl') ? {} : { skip: 'needs openssl' }) },
  async (t) => {
    const directory = temporary(t);
    const ca = makeCertificates(directory);
    const { host } = await startRegistry(t, {
      tls: { certificate: join(directory, 'server.pem'), key: join(directory, 'server.key') },
    });
    const target = parseReference(`${host}/app:1`);
    const believed = [
      testClient(t, { options: { certificates: new Map([[host, ca]]) } }),
      testClient(t, { environment: { SSL_CERT_FILE: ca } }),
      testClient(t, { environment: { SSL_CERT_DIR: `/nonexistent:${join(directory, 'roots')}` } }),
      testClient(t, { options: { skipTlsVerify: true } }),
      testClient(t, { options: { skipTlsVerifyRegistries: [host] } }),
    ];
    for (const client of believed) await client.checkPushPermission(target);
    for (const client of [testClient(t), testClient(t, { options: { insecurePush: true, skipTlsVerifyPull: true } })]) {
      await assert.rejects(client.checkPushPermission(target), (error) => {
        assert.ok(error instanceof BuildError);
        assert.match(error.message, /certificate/);
        assert.match(error.hint ?? '', /--registry-certificate/);
        return true;
      });
    }
    await assert.rejects(
      testClient(t, { options: { certificates: new Map([[host, '/nonexistent.pem']]) } }).checkPushPermission(target),
      {
        message: /nonexistent\.pem/,
      },
    );

    // Loopback addresses are never proxied, so the registry gets a name that only the proxy knows.
    const tunnels: string[] = [];
    const proxyPort = await startConnectProxy(t, host, tunnels);
    const named = parseReference('registry.test/app:1');
    const proxied = testClient(t, {
      environment: { HTTPS_PROXY: `http://user:pass@127.0.0.1:${proxyPort}`, SSL_CERT_FILE: ca },
    });
    const store = testStore(t);
    await pushImage(proxied, store, { ...testImage(store, [200_000]), destinations: [named] });
    assert.equal((await proxied.resolveImage(named, AMD64)).layers.length, 1);
    assert.deepEqual(new Set(tunnels), new Set(['registry.test:443 Basic dXNlcjpwYXNz']));
    const refused = testClient(t, { environment: { HTTPS_PROXY: `http://127.0.0.1:${proxyPort}`, SSL_CERT_FILE: ca } });
    await assert.rejects(refused.checkPushPermission(named), /refused a tunnel to registry\.test:443 \(status 407\)/);
    const nobody = testClient(t, { environment: { HTTPS_PROXY: `http://127.0.0.1:${await freePort()}` } });
    await assert.rejects(nobody.checkPushPermission(named), /ECONNREFUSED/);
  },
);

/** An HTTP proxy that leads every tunnel to one place, and wants a password. */
async function startConnectProxy(t: TestContext, destination: string, tunnels: string[]): Promise<number> {
  const [host, port] = destination.split(':');
  const server = createServer();
  server.on('connect', (request, socket) => {
    socket.on('error', () => {});
    if (request.headers['proxy-authorization'] === undefined) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    tunnels.push(`${request.url} ${request.headers['proxy-authorization']}`);
    const through = connect({ host, port: Number(port) }, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(through).pipe(socket);
    });
    through.on('error', () => socket.destroy());
    t.after(() => through.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A CA (its path is returned, and it is in `roots/`), and a certificate for 127.0.0.1 and registry.test. */
function makeCertificates(directory: string): string {
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test CA', '-days', '2');
  openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=registry.test');
  writeFileSync(join(directory, 'ext'), 'subjectAltName=IP:127.0.0.1,DNS:registry.test\n');
  openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'server.pem',
    '-days',
    '2',
    '-extfile',
    'ext',
  );
  execFileSync('mkdir', [join(directory, 'roots')]);
  execFileSync('cp', [join(directory, 'ca.pem'), join(directory, 'roots', 'a.crt')]);
  writeFileSync(join(directory, 'roots', 'README'), 'no certificate');
  return join(directory, 'ca.pem');
}
