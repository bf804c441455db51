/** Where an image goes and what is said about it: registries, archives, layouts, digest files, reproducible images, one layer. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { busyboxBase } from '../bases/bases.ts';
import { listTar, readLayout } from './layoutImage.ts';
import { NO_RUNTIME } from './runImage.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { KASANE, workbench } from './workbench.ts';

test('outputs', { skip: NO_RUNTIME ?? NO_TEST_REGISTRY ?? false }, async (suite) => {
  const busybox = layoutOf(suite, await busyboxBase());
  if (busybox === undefined) return;
  const registry = await testRegistry(suite);
  const base = await registry.push(busybox, 'busybox:latest');
  const simple = { Dockerfile: `FROM ${base}\nCOPY file /file\nRUN echo run > /run-file\n`, file: 'content' };

  await suite.test('several destinations get the same image, and each digest file names what was pushed', async (t) => {
    const bench = workbench(t);
    const names = ['one/image:first', 'one/image:second', 'two/other'];
    const destinations = names.map((name) => `--destination=${registry.host}/${name}`);
    const [withDigest, withTag] = [bench.path('names'), bench.path('tags')];
    const built = await bench.build(simple, {
      flags: [...destinations, `--image-name-with-digest-file=${withDigest}`],
    });
    const again = await bench.build(simple, {
      flags: [...destinations, `--image-name-tag-with-digest-file=${withTag}`],
    });
    assert.match(built.digest, /^sha256:[0-9a-f]{64}$/);
    for (const name of names) {
      const { stdout, stderr } = await bench.run([
        'skopeo',
        'inspect',
        '--tls-verify=false',
        '--format={{.Digest}}',
        `docker://${registry.host}/${name}`,
      ]);
      assert.equal(stdout.trim(), again.digest, stderr);
    }
    assert.equal(
      readFileSync(withDigest, 'utf8'),
      names.map((name) => `${registry.host}/${name.replace(/:.*/, '')}@${built.digest}\n`).join(''),
    );
    assert.equal(
      readFileSync(withTag, 'utf8'),
      names
        .map((name) => `${registry.host}/${name.includes(':') ? name : `${name}:latest`}@${again.digest}\n`)
        .join(''),
    );
  });

  await suite.test(
    'without a push an archive and a layout hold the image, and the digest file its digest',
    async (t) => {
      const bench = workbench(t);
      const archive = bench.path('image.tar');
      const { layout, digest } = await bench.build(simple, {
        flags: [`--tar-path=${archive}`, '--destination=example.com/named:1'],
        push: false,
      });
      const [index] = (
        JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: [{ digest: string }] }
      ).manifests;
      assert.equal(digest, index.digest);
      const inspected = await bench.run([
        'skopeo',
        'inspect',
        '--config',
        `docker-archive:${archive}:example.com/named:1`,
      ]);
      assert.equal(inspected.exitCode, 0, inspected.stderr);
      const same = await bench.run([
        KASANE,
        'imagediff',
        '--mtime',
        '--history',
        '--layers',
        `oci:${layout}`,
        `docker-archive:${archive}`,
      ]);
      assert.equal(same.exitCode, 0, same.stdout + same.stderr);
      const copied = await bench.run(['skopeo', 'copy', '--quiet', `oci:${layout}`, `dir:${bench.path('copy')}`]);
      assert.equal(copied.exitCode, 0, copied.stderr);
    },
  );

  await suite.test("a digest file that is a mount, as a pod's termination log is, is written in place", async (t) => {
    const bench = workbench(t);
    const [termination, mounted] = [bench.path('termination'), bench.path('mounted')];
    writeFileSync(termination, 'what was there before is longer than a digest: '.repeat(4));
    writeFileSync(mounted, '');
    const built = await bench.build(simple, {
      prefix: ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" "$1" && shift && exec "$@"', termination, mounted],
      flags: [`--digest-file=${mounted}`],
    });
    assert.match(readFileSync(termination, 'utf8'), /^sha256:[0-9a-f]{64}$/);
    assert.equal(statSync(mounted).size, 0);
    assert.equal(built.exitCode, 0);
  });

  await suite.test('--reproducible gives the same digest twice, though files and clocks differ', async (t) => {
    const bench = workbench(t);
    const once = await bench.build(simple, { flags: ['--reproducible'] });
    const again = await bench.build(
      { ...simple, later: { directory: true } },
      { flags: ['--reproducible'], dataDirectory: bench.path('other-data'), env: { UV_THREADPOOL_SIZE: '1' } },
    );
    assert.equal(once.digest, again.digest);
    const other = await bench.build({ ...simple, file: 'other content' }, { flags: ['--reproducible'] });
    assert.notEqual(once.digest, other.digest);
  });

  await suite.test(
    'SOURCE_DATE_EPOCH dates the image and the newest of its files, and gives the same digest twice',
    async (t) => {
      const bench = workbench(t);
      const env = { SOURCE_DATE_EPOCH: '1000000000' };
      const once = await bench.build(simple, { env });
      const again = await bench.build(simple, { env, dataDirectory: bench.path('other-data') });
      assert.equal(once.digest, again.digest);
      const image = readLayout(once.layout);
      assert.match(image.config.created ?? '', /^2001-09-09T01:46:40/);
      const last = image.manifest.layers.length - 1;
      for (const line of [...image.layer(last - 1), ...image.layer(last)])
        assert.equal(line.time, '2001-09-09 01:46:40', line.path);
    },
  );

  await suite.test('--single-snapshot makes one layer of all steps, with what remained', async (t) => {
    const bench = workbench(t);
    const { layout } = await bench.build(
      {
        Dockerfile: [
          `FROM ${base}`,
          'COPY file /file',
          'RUN echo 1 > /one && echo x > /gone && rm /etc/shadow',
          'RUN rm /gone && mkdir -p /a/b',
          'COPY file /a/b/file',
          'ENV LAST=1',
        ].join('\n'),
        file: 'content',
      },
      { flags: ['--single-snapshot'] },
    );
    const image = readLayout(layout);
    assert.equal(image.manifest.layers.length, readLayout(busybox).manifest.layers.length + 1);
    assert.deepEqual(
      image
        .layers()
        .at(-1)
        ?.filter((path) => path !== '' && path !== 'etc')
        .toSorted(),
      ['a', 'a/b', 'a/b/file', 'etc/.wh.shadow', 'file', 'one'],
    );
    assert.equal(
      image.config.history.filter((entry) => entry.empty_layer !== true).length,
      image.manifest.layers.length,
    );
  });

  await suite.test('--single-snapshot of several stages, the last one without a step', async (t) => {
    const { layout } = await workbench(t).build(
      {
        Dockerfile: `FROM ${base} AS one\nRUN echo 1 > /1\nRUN echo 2 > /2\nFROM one AS two\nRUN echo 3 > /3\nFROM two\n`,
      },
      { flags: ['--single-snapshot'] },
    );
    const layers = readLayout(layout).layers();
    assert.deepEqual(layers.slice(1), [['1', '2'], ['3']]);
  });

  await suite.test('labels given on the command line are in the image, over those of the Dockerfile', async (t) => {
    const { layout } = await workbench(t).build(
      { Dockerfile: 'FROM scratch\nLABEL a=dockerfile b=dockerfile\nCOPY file /\n', file: 'x' },
      { flags: ['--label', 'a=command line', '--label=c=x=y'] },
    );
    assert.deepEqual(readLayout(layout).config.config.Labels, { a: 'command line', b: 'dockerfile', c: 'x=y' });
  });

  await suite.test('the media types are those of the base; scratch has docker’s', async (t) => {
    const bench = workbench(t);
    const onOci = readLayout((await bench.build(simple)).layout);
    const onScratch = readLayout((await bench.build({ Dockerfile: 'FROM scratch\nCOPY file /\n', file: 'x' })).layout);
    assert.equal(onOci.manifest.mediaType, 'application/vnd.oci.image.manifest.v1+json');
    assert.equal(onScratch.manifest.layers.length, 1);
  });

  await suite.test('podman loads the archive and finds the image under its name', async (t) => {
    const bench = workbench(t);
    const archive = bench.path('image.tar');
    await bench.build(simple, { flags: [`--tar-path=${archive}`, '--destination=example.com/loaded:1'], push: false });
    assert.ok(listTar(archive).some(({ path }) => path === 'manifest.json'));
    const storage = ['--root', bench.path('podman'), '--runroot', bench.path('podman-run'), '--storage-driver', 'vfs'];
    const loaded = await bench.run(['podman', ...storage, '--cgroup-manager', 'cgroupfs', 'load', '-i', archive]);
    assert.match(loaded.stdout, /example\.com\/loaded:1/, loaded.stderr);
  });

  await suite.test('a registry that can’t be pushed to is an error, before the build', async (t) => {
    const bench = workbench(t);
    const { exitCode, stderr } = await bench.tryBuild(simple, { flags: ['--destination=127.0.0.1:9/x:1'] });
    assert.notEqual(exitCode, 0);
    assert.match(stderr, /127\.0\.0\.1:9/);
    assert.doesNotMatch(stderr, /Step 1/);
  });
});
