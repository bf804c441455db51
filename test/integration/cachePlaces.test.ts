/** The layer cache's places: what moves between registries and what does not, and what happens when a place is out of order. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { spawn } from 'node:child_process';
import { busyboxBase } from '../bases/bases.ts';
import { readLayers } from '../bases/layout.ts';
import { startFaultProxy, type Intercept } from './faultProxy.ts';
import { freePort } from './registry.ts';
import { NO_RUNTIME } from './runImage.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { KASANE, workbench, type Built, type Workbench } from './workbench.ts';

interface CacheManifest {
  layers: { mediaType: string; digest: string; size: number }[];
  annotations?: Record<string, string>;
}

test('places of the layer cache', { skip: NO_RUNTIME ?? NO_TEST_REGISTRY ?? false }, async (all) => {
  const busybox = layoutOf(all, await busyboxBase());
  if (busybox === undefined) return;
  const registry = await testRegistry(all);
  const { host } = registry;
  const base = await registry.push(busybox, 'busybox:latest');
  let repositories = 0;

  /** A cache behind a proxy, and builds on machines that have nothing. */
  const behindProxy = async (t: TestContext, intercept: Intercept = () => undefined) => {
    const bench = workbench(t);
    const proxy = await startFaultProxy(t, host, intercept);
    const name = `places-${repositories++}`;
    const build = (context: string, ...flags: string[]): Promise<Built> =>
      bench.tryBuild(context, {
        dataDirectory: bench.path('data'),
        flags: ['--cache', `--cache-repo=${proxy.host}/${name}/cache`, ...flags],
      });
    return { bench, proxy, name, build };
  };

  await all.test(
    'a cached build downloads and uploads no layer where cache and destination share a registry',
    async (t) => {
      const { bench, proxy, name, build } = await behindProxy(t);
      const from = `${proxy.host}/busybox:latest`;
      const context = bench.files({
        Dockerfile: `FROM ${from} AS one\nRUN date > /x\nFROM ${from}\nRUN date > /y\nCOPY a /a\nCOPY --from=one /x /x\nRUN date > /z\n`,
        a: 'a',
      });
      const cold = await build(context, `--destination=${proxy.host}/${name}:1`);
      assert.equal(cold.exitCode, 0, cold.stderr);
      // To the destination four layers and the configuration. The cache gets the layers from there, and on its own way: the other stage's layer,
      // which is that of the COPY too, listings of four layers and of the base's, the record of the inputs, and an empty configuration.
      const uploaded = proxy.requests.filter((line) => line.startsWith('PATCH'));
      assert.equal(uploaded.filter((line) => !line.includes('/cache/')).length, 5);
      assert.equal(uploaded.filter((line) => line.includes('/cache/')).length, 8);
      for (const destination of [`${name}:2`, `${name}/elsewhere:1`]) {
        proxy.requests.length = 0;
        const warm = await bench.run(
          [
            KASANE,
            'build',
            `--kaniko-dir=${bench.path('data')}`,
            '--insecure',
            '--insecure-pull',
            '--cache',
            `--cache-repo=${proxy.host}/${name}/cache`,
            `--destination=${proxy.host}/${destination}`,
            context,
          ],
          {},
        );
        assert.equal(warm.exitCode, 0, warm.stderr);
        assert.ok(warm.stderr.includes(cold.digest), 'the same image');
        const blobs = proxy.requests.filter((line) => /^GET .*\/blobs\//.test(line));
        // The base's configuration.
        assert.equal(blobs.length, 1, proxy.requests.join('\n'));
        const sent = proxy.requests.filter((line) => line.startsWith('PATCH'));
        // The image's configuration, where the repository does not have it yet.
        assert.equal(sent.length, destination.includes('elsewhere') ? 1 : 0, proxy.requests.join('\n'));
      }
    },
  );

  await all.test('a cached build goes from the registry of the cache to another one', async (t) => {
    const { bench, build } = await behindProxy(t);
    const other = await testRegistry(t);
    const context = bench.files({ Dockerfile: `FROM ${base}\nRUN date > /x\n` });
    const cold = await build(context, `--destination=${other.host}/a:1`);
    const warm = await build(context, `--destination=${other.host}/b:1`);
    assert.equal(warm.exitCode, 0, warm.stderr);
    assert.equal(warm.digest, cold.digest);
  });

  await all.test('after a RUN that misses, exactly the layers below it are fetched', async (t) => {
    const { bench, proxy, build } = await behindProxy(t);
    const from = `${proxy.host}/busybox:latest`;
    const dockerfile = (last: string): string =>
      `FROM ${from} AS one\nRUN date > /x\nFROM ${from}\nRUN date > /y\nCOPY --from=one /x /x\n${last}\nRUN date > /after\n`;
    const context = bench.files({ Dockerfile: dockerfile('RUN date > /z') });
    const cold = await build(context);
    assert.equal(cold.exitCode, 0, cold.stderr);
    const layers = readLayers(cold.layout).map(({ digest }) => digest);
    proxy.requests.length = 0;
    writeFileSync(join(context, 'Dockerfile'), dockerfile('RUN date > /other'));
    const again = await build(context);
    assert.equal(again.exitCode, 0, again.stderr);
    const fetched = layers.filter((digest) => wasFetched(proxy.requests, digest));
    assert.deepEqual(fetched, layers.slice(0, 3));
  });

  await all.test('a COPY that misses fetches nothing below it', async (t) => {
    const { bench, proxy, name, build } = await behindProxy(t);
    const from = `${proxy.host}/busybox:latest`;
    const context = bench.files({ Dockerfile: `FROM ${from}\nRUN date > /y\nCOPY a /usr/bin/\n`, a: 'a' });
    const cold = await build(context, `--destination=${proxy.host}/${name}:1`);
    assert.equal(cold.exitCode, 0, cold.stderr);
    proxy.requests.length = 0;
    writeFileSync(join(context, 'a'), 'b');
    const again = await bench.run([
      KASANE,
      'build',
      `--kaniko-dir=${bench.path('data')}`,
      '--insecure',
      '--insecure-pull',
      '--cache',
      `--cache-repo=${proxy.host}/${name}/cache`,
      `--destination=${proxy.host}/${name}:2`,
      context,
    ]);
    assert.equal(again.exitCode, 0, again.stderr);
    const layers = readLayers(cold.layout).map(({ digest }) => digest);
    const fetched = layers.filter((digest) => wasFetched(proxy.requests, digest));
    assert.deepEqual(fetched, []);
    assert.match(again.stderr, /COPY a \/usr\/bin\/ missed: 1 of 1 file changed: a$/m);
  });

  await all.test('a cache that is read-only is a warning, once; an error if the user says so', async (t) => {
    const { bench, build } = await behindProxy(t, refuseWrites);
    const context = bench.files({ Dockerfile: `FROM ${base}\nRUN date > /x\nRUN date > /y\n` });
    const built = await build(context);
    assert.equal(built.exitCode, 0, built.stderr);
    assert.equal([...built.stderr.matchAll(/Error uploading layer to cache/g)].length, 1, built.stderr);
    const failed = await build(context, '--cache-errors=fail');
    assert.equal(failed.exitCode, 1);
    assert.match(failed.stderr, /The layer cache failed/);
  });

  await all.test('a cache that is not there is a warning, once, and the build goes on', async (t) => {
    const bench = workbench(t);
    const context = bench.files({ Dockerfile: `FROM ${base}\nRUN date > /x\nRUN date > /y\n` });
    const nowhere = `127.0.0.1:${await freePort()}/cache`;
    const built = await bench.build(context, { flags: ['--cache', `--cache-repo=${nowhere}`] });
    assert.equal([...built.stderr.matchAll(/warn/gi)].length, 1, built.stderr);
  });

  await all.test('a broken entry is a miss, and then whole again', async (t) => {
    const { bench, name, build } = await behindProxy(t);
    const context = bench.files({ Dockerfile: `FROM ${base}\nRUN echo x > /x\nRUN cat /x > /y\n` });
    const cold = await build(context);
    assert.equal(cold.exitCode, 0, cold.stderr);
    const repository = `http://${host}/v2/${name}/cache`;
    const [first = ''] = await tagOf(repository, cold.layout, 1);
    const put = (manifest: CacheManifest): Promise<void> => writeManifest(repository, first, manifest);
    const breakages: readonly (readonly [
      name: string,
      breakIt: (whole: CacheManifest, entry: string) => Promise<void>,
      warning: RegExp,
    ])[] = [
      ['no entry', (whole) => put({ ...whole, annotations: { [ENTRY]: '{' } }), /not JSON/],
      ['another form', (whole) => put({ ...whole, annotations: { [ENTRY]: '{}' } }), /not one of kasane/],
      [
        'two layers',
        (whole) => put({ ...whole, layers: [...whole.layers, ...whole.layers] }),
        /does not hold the layer/,
      ],
      [
        'another diffID',
        (whole, entry) => put({ ...whole, annotations: { [ENTRY]: entry.replace(/("diffId":"sha256:)../, '$100') } }),
        /holds other content/,
      ],
      ['somebody else’s', ({ layers }) => put({ layers }), /^(?!.*warn)/i],
      [
        'a layer that is gone',
        ({ layers: [layer] }) => request(`${repository}/blobs/${layer?.digest ?? ''}`, 'DELETE'),
        /pull the blob/,
      ],
    ];
    for (const [breakage, breakIt, warning] of breakages) {
      const whole = await readManifest(repository, first);
      await breakIt(whole, whole.annotations?.[ENTRY] ?? '');
      // The second step misses, and needs the first one's layer.
      writeFileSync(join(context, 'Dockerfile'), `FROM ${base}\nRUN echo x > /x\nRUN cat /x > /y # ${breakage}\n`);
      const again = await build(context);
      assert.equal(again.exitCode, 0, `${breakage}: ${again.stderr}`);
      assert.match(again.stderr, warning, breakage);
    }
    const warm = await build(context);
    assert.deepEqual(executed(warm), [], warm.stderr);
  });

  await all.test('a download that has not changed is not downloaded again', async (t) => {
    const { bench, proxy, build } = await behindProxy(t);
    let body = 'one';
    let tag = '"1"';
    proxy.intercept = ({ method, url }, response) => {
      if (url !== '/file') return undefined;
      response.writeHead(200, { etag: tag }).end(method === 'HEAD' ? undefined : body);
      return 'answered';
    };
    const context = bench.files({ Dockerfile: `FROM scratch\nADD http://${proxy.host}/file /\n` });
    const downloads = (): number => proxy.requests.splice(0).filter((line) => line === 'GET /file').length;
    const cold = await build(context);
    assert.equal(downloads(), 1);
    const warm = await build(context);
    assert.deepEqual([warm.digest, downloads()], [cold.digest, 0]);
    tag = '"2"';
    assert.deepEqual(executed(await build(context)), [], 'another tag, the same content');
    assert.equal(downloads(), 1);
    body = 'two';
    tag = 'W/"3"';
    assert.equal(executed(await build(context)).length, 1, 'a weak tag says nothing');
  });

  await all.test('what one cache has is put into the others', async (t) => {
    const { bench, proxy, name, build } = await behindProxy(t);
    const context = bench.files({ Dockerfile: `FROM ${base}\nRUN date > /x\nCOPY --from=${base} /bin/sh /sh\n` });
    const cold = await build(context);
    const directory = join(bench.directory, 'cache');
    const settings = { dataDirectory: bench.path('data') };
    const from = `type=registry,ref=${proxy.host}/${name}/cache`;
    await bench.build(context, {
      ...settings,
      flags: [`--cache-from=${from}`, `--cache-to=type=local,dest=${directory}`],
    });
    const warm = await bench.build(context, { ...settings, flags: [`--cache-from=type=local,src=${directory}`] });
    assert.deepEqual([warm.digest, executed(warm)], [cold.digest, []]);
  });

  await all.test('an entry that is too old is a miss', async (t) => {
    const { bench, build } = await behindProxy(t);
    const context = bench.files({ Dockerfile: `FROM ${base}\nRUN date > /x\n` });
    await build(context);
    assert.deepEqual(executed(await build(context, '--cache-ttl=1ms')), ['RUN date > /x']);
    assert.deepEqual(executed(await build(context, '--cache-ttl=1h')), []);
  });

  await all.test('builds at the same time and one that is killed leave a cache that can be used', async (t) => {
    const { bench, proxy, name, build } = await behindProxy(t);
    const context = bench.files({
      Dockerfile: `FROM ${base}\nRUN cat /proc/sys/kernel/random/uuid > /x\nRUN cat /proc/sys/kernel/random/uuid > /y\n`,
    });
    const both = await Promise.all([build(context), build(context)]);
    for (const { exitCode, stderr } of both) assert.equal(exitCode, 0, stderr);
    const third = await build(context);
    assert.deepEqual(executed(third), [], third.stderr);

    writeFileSync(join(context, 'Dockerfile'), `FROM ${base}\nRUN date > /a\nRUN sleep 60\n`);
    await kill(bench, context, `${proxy.host}/${name}/cache`);
    writeFileSync(join(context, 'Dockerfile'), `FROM ${base}\nRUN date > /a\nRUN date > /b\n`);
    const rebuilt = await build(context);
    assert.equal(rebuilt.exitCode, 0, rebuilt.stderr);
    assert.deepEqual(executed(rebuilt), ['RUN date > /b']);
  });

  await all.test('a directory is a cache too, also one that can only be read or has broken layers', async (t) => {
    const bench = workbench(t);
    const directory = join(bench.directory, 'cache');
    const build = (context: string, ...flags: string[]): Promise<Built> =>
      bench.build(context, { dataDirectory: bench.path('data'), flags });
    const context = bench.files({ Dockerfile: `FROM ${base}\nRUN date > /x\nCOPY --from=${base} /bin/busybox /b\n` });
    const cold = await build(context, `--cache-to=type=local,dest=${directory},mode=max`);
    const warm = await build(
      context,
      `--cache-from=type=local,src=${directory}`,
      `--cache-from=type=registry,ref=${host}/none`,
    );
    assert.deepEqual(executed(warm), []);
    assert.equal(warm.digest, cold.digest);

    for (const name of readdirSync(join(directory, 'blobs/sha256'))) {
      const path = join(directory, 'blobs/sha256', name);
      chmodSync(path, 0o600);
      truncateSync(path, 10);
    }
    const repaired = await build(context, '--cache', `--cache-repo=oci:${directory}`);
    assert.equal(executed(repaired).length, 2);
    assert.match(repaired.stderr, /not whole/);
    assert.deepEqual(executed(await build(context, '--cache', `--cache-repo=oci:${directory}`)), []);

    mkdirSync(join(bench.directory, 'empty'));
    writeFileSync(join(bench.directory, 'file'), '');
    const unusable = await build(context, '--cache', `--cache-repo=oci:${join(bench.directory, 'file')}`);
    assert.match(unusable.stderr, /Error uploading layer to cache/);
  });
});

const ENTRY = 'dev.kasane.cache.entry';

function executed({ stderr }: Built): string[] {
  return [...stderr.matchAll(/No cached layer found for cmd (.*)/g)].map(([, text = '']) => text);
}

function wasFetched(requests: readonly string[], digest: string): boolean {
  return requests.some((line) => line.startsWith('GET ') && line.includes(digest));
}

const refuseWrites: Intercept = ({ method, url }) =>
  method !== 'GET' && method !== 'HEAD' && url?.includes('/cache/') ? { kind: 'status', status: 403 } : undefined;

/** The tags of the cache whose entry has the image's layer of that number. */
async function tagOf(repository: string, layout: string, number: number): Promise<string[]> {
  const digest = readLayers(layout)[number]?.digest;
  const { tags } = (await (await fetch(`${repository}/tags/list`)).json()) as { tags: string[] };
  const manifests = await Promise.all(tags.map((tag) => readManifest(repository, tag)));
  return tags.filter((_, index) => manifests[index]?.layers[0]?.digest === digest);
}

async function readManifest(repository: string, tag: string): Promise<CacheManifest> {
  const headers = { accept: 'application/vnd.oci.image.manifest.v1+json' };
  return (await (await fetch(`${repository}/manifests/${tag}`, { headers })).json()) as CacheManifest;
}

function writeManifest(repository: string, tag: string, manifest: CacheManifest): Promise<void> {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const config = {
    mediaType: 'application/vnd.oci.empty.v1+json',
    digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
    size: 2,
  };
  const body = JSON.stringify({ schemaVersion: 2, mediaType, config, ...manifest });
  return request(`${repository}/manifests/${tag}`, 'PUT', { 'content-type': mediaType }, body);
}

async function request(
  url: string,
  method: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<void> {
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  assert.ok(response.ok, `${method} ${url}: ${response.status} ${await response.text()}`);
}

/** Starts a build, waits until its first step is in the cache and the second one runs, and kills it. */
async function kill(bench: Workbench, context: string, repository: string): Promise<void> {
  const data = bench.path('data');
  const child = spawn(
    KASANE,
    [
      'build',
      `--kaniko-dir=${data}`,
      '--no-push',
      '--insecure',
      '--insecure-pull',
      '--cache',
      `--cache-repo=${repository}`,
      context,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  const ended = new Promise((resolve) => child.once('close', resolve));
  const [registry, ...path] = repository.split('/');
  const count = async (): Promise<number> => {
    const { tags } = (await (await fetch(`http://${registry}/v2/${path.join('/')}/tags/list`)).json()) as {
      tags: string[];
    };
    return tags.length;
  };
  const before = await count();
  for (let tries = 0; tries < 200 && ((await count()) === before || !log.includes('RUN sleep 60')); tries++)
    await setTimeout(50);
  child.kill('SIGKILL');
  await ended;
  assert.ok(readFileSync('/proc/self/mountinfo').length > 0);
}
