import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { BuildEvent } from '../../src/events.ts';
import { digestOf } from '../../src/image/digest.ts';
import { MEDIA_TYPES } from '../../src/image/mediaType.ts';
import { pushImage } from '../../src/registry/pushImage.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { startFaultProxy } from './faultProxy.ts';
import { REGISTRY_MISSING, startRegistry } from './registry.ts';
import { testClient, testImage, testStore } from './registryClient.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const skip = REGISTRY_MISSING === undefined ? {} : { skip: REGISTRY_MISSING };

test('an image that is pushed is the image that is pulled, here and by skopeo', skip, async (t) => {
  const { host } = await startRegistry(t);
  const events: BuildEvent[] = [];
  const client = testClient(t, { listener: (event) => events.push(event) });
  const store = testStore(t);
  const image = testImage(store, [3_000_000, 10, 0]);
  const destination = parseReference(`${host}/team/app:1`);
  await client.checkPushPermission(destination);
  const digest = await pushImage(client, store, { ...image, destinations: [destination] });
  assert.equal(digest, digestOf(image.manifest.bytes));
  assert.ok(
    events.some((event) => event.kind === 'transfer' && event.direction === 'upload' && event.done === event.total),
  );

  const pulled = await testClient(t).resolveImage(destination, AMD64);
  assert.equal(pulled.digest, digest);
  assert.equal(pulled.format, 'docker');
  assert.deepEqual(pulled.config.config?.Env, ['A=b']);
  assert.deepEqual(
    pulled.layers.map(({ descriptor }) => descriptor),
    image.layers.map(({ descriptor }) => descriptor),
  );
  const other = testStore(t);
  // One download for all who want the blob.
  await Promise.all(pulled.layers.flatMap((layer) => [client.pullBlob(other, layer), client.pullBlob(other, layer)]));
  for (const { descriptor } of pulled.layers) assert.equal(other.has(descriptor.digest), descriptor.size);

  if (!existsSync('/usr/bin/skopeo')) {
    t.diagnostic('not compared with skopeo, which is not installed');
    return;
  }
  const run = promisify(execFile);
  const { stdout } = await run('skopeo', ['inspect', '--tls-verify=false', `docker://${host}/team/app:1`]);
  assert.equal((JSON.parse(stdout) as { Digest: string }).Digest, digest);
});

test('several destinations share one upload', skip, async (t) => {
  const { host } = await startRegistry(t);
  const proxy = await startFaultProxy(t, host, () => undefined);
  const client = testClient(t);
  const store = testStore(t);
  const destinations = ['a:1', 'a:2', 'b/c:1'].map((name) => parseReference(`${proxy.host}/${name}`));
  const image = testImage(store, [100_000, 200_000]);
  await pushImage(client, store, { ...image, destinations });
  assert.equal(proxy.requests.filter((request) => request.startsWith('PATCH')).length, 3);
  assert.equal(proxy.requests.filter((request) => request.startsWith('PUT /v2/a/manifests/')).length, 2);
  const direct = testClient(t);
  for (const name of ['a:1', 'a:2', 'b/c:1']) {
    const pulled = await direct.resolveImage(parseReference(`${host}/${name}`), AMD64);
    assert.equal(pulled.layers.length, 2);
    const target = testStore(t);
    for (const layer of pulled.layers) await direct.pullBlob(target, layer);
  }
});

test(
  'a base in the same registry is mounted, one in another registry is streamed through, nothing is stored',
  skip,
  async (t) => {
    const [first, second] = await Promise.all([startRegistry(t), startRegistry(t)]);
    const store = testStore(t);
    const image = testImage(store, [500_000]);
    const client = testClient(t);
    await pushImage(client, store, { ...image, destinations: [parseReference(`${first.host}/base:1`)] });
    const base = await client.resolveImage(parseReference(`${first.host}/base:1`), AMD64);
    const proxy = await startFaultProxy(t, second.host, () => undefined);
    const empty = testStore(t);
    await pushImage(client, empty, {
      ...image,
      layers: base.layers,
      destinations: [parseReference(`${first.host}/derived:1`), parseReference(`${proxy.host}/derived:1`)],
    });
    assert.deepEqual(readdirSync(join(empty.directory, 'sha256')), []);
    for (const host of [first.host, second.host]) {
      const target = testStore(t);
      const pulled = await client.resolveImage(parseReference(`${host}/derived:1`), AMD64);
      for (const layer of pulled.layers) await client.pullBlob(target, layer);
    }
  },
);

test('a download that was broken off goes on by Range, also in a later build', skip, async (t) => {
  const { host } = await startRegistry(t);
  const store = testStore(t);
  const client = testClient(t);
  const image = testImage(store, [4_000_000]);
  await pushImage(client, store, { ...image, destinations: [parseReference(`${host}/app:1`)] });
  const ranges: (string | undefined)[] = [];
  let broken = true;
  const proxy = await startFaultProxy(t, host, (request) => {
    if (!/\/blobs\//.test(request.url ?? '')) return undefined;
    ranges.push(request.headers.range);
    return broken ? { kind: 'cut' } : undefined;
  });
  const [layer] = image.layers;
  assert.ok(layer !== undefined);
  const source = { ...layer, locations: [{ kind: 'registry', registry: proxy.host, repository: 'app' }] } as const;
  const target = testStore(t);
  await assert.rejects(testClient(t).pullBlob(target, source), { code: 'HTTP_FAILED', message: /cut off/ });
  const before = ranges.length;
  broken = false;
  await testClient(t).pullBlob(target, source);
  assert.equal(ranges.length, before + 1);
  assert.match(ranges.at(-1) ?? '', /^bytes=[1-9]\d*-$/);
  assert.equal(target.has(layer.descriptor.digest), 4_000_000);
});

test(
  'of an index the manifest for the platform is taken; a platform that it lacks is an error that lists what there is',
  skip,
  async (t) => {
    const { host } = await startRegistry(t);
    const store = testStore(t);
    const client = testClient(t);
    const images = [testImage(store, [10]), testImage(store, [20])];
    const manifests = ['amd64', 'arm64'].map((architecture, index) => {
      const { bytes, mediaType } = images[index]?.manifest ?? { bytes: Buffer.alloc(0), mediaType: '' };
      return { mediaType, digest: digestOf(bytes), size: bytes.length, platform: { os: 'linux', architecture } };
    });
    for (const [index, image] of images.entries()) {
      await pushImage(client, store, { ...image, destinations: [parseReference(`${host}/app:${index}`)] });
    }
    const put = (tag: string, entries: unknown): Promise<unknown> =>
      client.putManifest(
        parseReference(`${host}/app:${tag}`),
        Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.docker.index, manifests: entries })),
        MEDIA_TYPES.docker.index,
      );
    await put('index', manifests);
    await put('windows', [{ ...manifests[0], platform: { os: 'windows', architecture: 'amd64' } }]);
    const reference = parseReference(`${host}/app:index`);
    const arm = await client.resolveImage(reference, { os: 'linux', architecture: 'arm64' });
    assert.equal(arm.layers[0]?.descriptor.size, 20);
    assert.equal(arm.digest, manifests[1]?.digest);
    await assert.rejects(client.resolveImage(reference, { os: 'linux', architecture: 's390x' }), {
      code: 'IMAGE_PLATFORM_MISSING',
      message: /no image for linux\/s390x; it has linux\/amd64, linux\/arm64/,
    });
    await assert.rejects(client.resolveImage(parseReference(`${host}/app:windows`), AMD64), {
      code: 'IMAGE_WINDOWS',
      message: /app:windows/,
    });
  },
);

test('a tag and a repository that are not there are told by name', skip, async (t) => {
  const { host } = await startRegistry(t);
  await assert.rejects(testClient(t).resolveImage(parseReference(`${host}/no/app:1`), AMD64), {
    code: 'REGISTRY_NOT_FOUND',
    message: /no\/app:1/,
  });
});

test(
  'an OCI image that skopeo pushed is read',
  { ...skip, ...(existsSync('/usr/bin/umoci') ? {} : { skip: 'needs umoci' }) },
  async (t) => {
    const { host } = await startRegistry(t);
    const directory = mkdtempSync(join(tmpdir(), 'kasane-oci-'));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    execFileSync('umoci', ['init', '--layout', join(directory, 'oci')]);
    execFileSync('umoci', ['new', '--image', `${join(directory, 'oci')}:x`]);
    execFileSync('skopeo', [
      'copy',
      '-q',
      '--dest-tls-verify=false',
      `oci:${join(directory, 'oci')}:x`,
      `docker://${host}/oci:x`,
    ]);
    const image = await testClient(t).resolveImage(parseReference(`${host}/oci:x`), AMD64);
    assert.equal(image.format, 'oci');
    assert.deepEqual(image.layers, []);
  },
);
