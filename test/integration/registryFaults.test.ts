import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { BuildError, messageOf } from '../../src/errors.ts';
import type { RegistryClient } from '../../src/registry/client.ts';
import { pushImage } from '../../src/registry/pushImage.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { openBlobStore } from '../../src/store/blobStore.ts';
import { startFaultProxy } from './faultProxy.ts';
import type { Fault } from './faultProxy.ts';
import { REGISTRY_MISSING, startRegistry } from './registry.ts';
import { testClient, testImage, testStore } from './registryClient.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const skip = REGISTRY_MISSING === undefined ? {} : { skip: REGISTRY_MISSING };

/** Faults that pass: when they happen once, the work has to succeed. */
const PASSING: readonly Fault[] = [
  { kind: 'reset' },
  { kind: 'stall' },
  { kind: 'cut' },
  { kind: 'stall-body' },
  { kind: 'lose-answer' },
  ...[408, 500, 502, 503, 504].map((status) => ({ kind: 'status', status }) as const),
  { kind: 'status', status: 429, headers: { 'retry-after': '1' } },
];

/** Refusals: an error at once, which names what was refused. */
const REFUSALS: readonly Fault[] = [401, 403, 404].map((status) => ({ kind: 'status', status }));

const LIES: readonly Fault[] = [{ kind: 'damage' }, { kind: 'shorten' }, { kind: 'lengthen' }];

async function pull(t: TestContext, client: RegistryClient, host: string, repository: string): Promise<Buffer> {
  const store = testStore(t);
  const image = await client.resolveImage(parseReference(`${host}/${repository}:1`), AMD64);
  for (const layer of image.layers) await client.pullBlob(store, layer);
  const chunks: Uint8Array[] = [];
  for (const { descriptor } of image.layers)
    for await (const chunk of store.read(descriptor.digest)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What a user is told has to be a BuildError with a sentence that names the host. */
function assertClear(error: unknown, host: string, what: string): void {
  assert.ok(error instanceof BuildError, `${what}: ${messageOf(error)}`);
  assert.match(error.message, new RegExp(host.replaceAll('.', '\\.')), what);
}

test('whatever goes wrong once while pulling, the image is right or there is a clear error', skip, async (t) => {
  const { host } = await startRegistry(t);
  const store = testStore(t);
  const image = testImage(store, [200_000]);
  const direct = testClient(t);
  await pushImage(direct, store, { ...image, destinations: [parseReference(`${host}/app:1`)] });
  const right = await pull(t, direct, host, 'app');
  const proxy = await startFaultProxy(t, host, () => undefined);
  await pull(t, testClient(t), proxy.host, 'app');
  const count = proxy.requests.length;
  assert.equal(count, 4);
  for (const fault of [...PASSING, ...REFUSALS, ...LIES]) {
    for (let at = 0; at < count; at++) {
      const what = `${JSON.stringify(fault)} at ${proxy.requests[at]}`;
      const first = proxy.requests.length;
      proxy.intercept = (_, __, index) => (index - first === at ? fault : undefined);
      const client = testClient(t, { idleTimeout: 400 });
      const result = await pull(t, client, proxy.host, 'app').catch((error: unknown) => error);
      if (Buffer.isBuffer(result)) assert.ok(result.equals(right), what);
      else {
        assertClear(result, proxy.host, what);
        assert.ok(!PASSING.includes(fault), `${what}: ${messageOf(result)}`);
      }
      if (REFUSALS.includes(fault) && at > 0) assert.ok(result instanceof BuildError, what);
    }
  }
});

test('a registry that always lies about a blob or a manifest never gets a wrong image believed', skip, async (t) => {
  const { host } = await startRegistry(t);
  const store = testStore(t);
  const direct = testClient(t);
  await pushImage(direct, store, { ...testImage(store, [200_000]), destinations: [parseReference(`${host}/app:1`)] });
  const proxy = await startFaultProxy(t, host, () => undefined);
  for (const fault of LIES) {
    for (const path of [/\/manifests\//, /\/blobs\//]) {
      proxy.intercept = (request) => (path.test(request.url ?? '') ? fault : undefined);
      await assert.rejects(pull(t, testClient(t), proxy.host, 'app'), (error) => {
        assertClear(error, proxy.host, JSON.stringify(fault));
        return true;
      });
    }
  }
});

test('a registry that is down for good ends in an error, soon and with the host’s name', skip, async (t) => {
  const { host } = await startRegistry(t);
  const store = testStore(t);
  const image = testImage(store, [1000]);
  const proxy = await startFaultProxy(t, host, () => undefined);
  for (const fault of [...PASSING, ...REFUSALS].filter(
    ({ kind }) => kind !== 'lose-answer' && kind !== 'cut' && kind !== 'stall-body',
  )) {
    proxy.intercept = () => fault;
    const client = testClient(t, { idleTimeout: 400 });
    const destinations = [parseReference(`${proxy.host}/app:1`)];
    const results = await Promise.allSettled([
      pull(t, client, proxy.host, 'app'),
      pushImage(client, store, { ...image, destinations }),
      client.checkPushPermission({ registry: proxy.host, repository: 'app' }),
    ]);
    for (const result of results) {
      assertClear(result.status === 'rejected' ? result.reason : undefined, proxy.host, JSON.stringify(fault));
    }
  }
});

test('whatever goes wrong once while pushing, what is pushed is right or there is a clear error', skip, async (t) => {
  const { host } = await startRegistry(t);
  const store = testStore(t);
  const image = testImage(store, [300_000]);
  const right = Buffer.concat(await Array.fromAsync(store.read(image.layers[0]?.descriptor.digest ?? assert.fail())));
  const push = (client: RegistryClient, to: string): Promise<unknown> =>
    pushImage(client, store, { ...image, destinations: [parseReference(`${to}:1`)] });
  const counter = await startFaultProxy(t, host, () => undefined);
  await push(testClient(t), `${counter.host}/count`);
  assert.equal(counter.requests.length, 10);
  const direct = testClient(t);
  const faults = [...PASSING, { kind: 'cut-request' } as const, ...REFUSALS];
  // Side by side, as most of the time goes into waiting for what stalls.
  await Promise.all(
    faults.map(async (fault, number) => {
      const proxy = await startFaultProxy(t, host, () => undefined);
      for (const [at, request] of counter.requests.entries()) {
        const what = `${JSON.stringify(fault)} at ${request}`;
        const repository = `app${number}/${at}`;
        const first = proxy.requests.length;
        proxy.intercept = (_, __, index) => (index - first === at ? fault : undefined);
        const result = await push(testClient(t, { idleTimeout: 400 }), `${proxy.host}/${repository}`).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (result === undefined) assert.ok((await pull(t, direct, host, repository)).equals(right), what);
        else {
          assertClear(result, proxy.host, what);
          assert.ok(REFUSALS.includes(fault), `${what}: ${messageOf(result)}`);
        }
      }
    }),
  );
});

test('a blob that was damaged on disk is not pushed', skip, async (t) => {
  const { host } = await startRegistry(t);
  const store = testStore(t);
  const image = testImage(store, [1000]);
  // A store whose file was damaged after it was written: the registry has to refuse, and so do we.
  const damaged = openBlobStore(store.directory);
  const digest = image.layers[0]?.descriptor.digest ?? assert.fail();
  const { writeFileSync } = await import('node:fs');
  writeFileSync(damaged.path(digest), Buffer.alloc(1000));
  const destinations = [parseReference(`${host}/app:1`)];
  await assert.rejects(pushImage(testClient(t), damaged, { ...image, destinations }), (error) => {
    assertClear(error, host, 'damaged blob');
    return true;
  });
  await assert.rejects(testClient(t).resolveImage(parseReference(`${host}/app:1`), AMD64));
});
