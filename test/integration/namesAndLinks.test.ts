/** Names of stages, links in every position, and wildcards: what older builders got wrong, seen through real builds. */
import assert from 'node:assert/strict';
import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { busyboxBase } from '../bases/bases.ts';
import { handmadeBase, tarOf, type HandmadeEntry } from './handmadeBase.ts';
import { readLayout } from './layoutImage.ts';
import { NO_RUNTIME, unpackImage } from './runImage.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry, type TestRegistry } from './testRegistry.ts';
import { workbench, type Workbench } from './workbench.ts';
import { collect } from './collect.ts';

interface Place {
  readonly bench: Workbench;
  readonly registry: TestRegistry;
  /** The reference of a busybox base. */
  readonly base: string;
  readonly busybox: string;
}

test('names and links', { skip: NO_RUNTIME ?? NO_TEST_REGISTRY ?? false }, async (t) => {
  const busybox = layoutOf(t, await busyboxBase());
  if (busybox === undefined) return;
  const registry = await testRegistry(t);
  const base = await registry.push(busybox, 'busybox:latest');
  await registry.push(busybox, 'library/busybox:latest');
  const place = (inner: TestContext): Place => ({ bench: workbench(inner), registry, base, busybox });
  for (const [name, run] of Object.entries(TESTS)) {
    await t.test(name, async (inner) => {
      await run(place(inner));
    });
  }
});

const TESTS: Readonly<Record<string, (place: Place) => Promise<unknown>>> = {
  async 'a stage may have the name of its own base image'({ bench, registry }) {
    const { stdout } = await runAndRead(bench, registry, [
      'FROM busybox AS busybox',
      'RUN echo from-stage > /mark',
      'FROM busybox',
      'RUN cat /mark > /seen',
    ]);
    assert.equal(stdout('seen'), 'from-stage\n');
  },

  async 'a stage built on a stage has its files and its configuration, whatever the case of the name'({
    bench,
    registry,
  }) {
    const { stdout, image } = await runAndRead(bench, registry, [
      'FROM busybox AS Builder',
      'ENV FROM_BUILDER=1',
      'RUN echo built > /built',
      'FROM BUILDER AS second',
      'COPY --from=bUILDER /built /copied',
      'FROM Second',
    ]);
    assert.equal(stdout('copied'), 'built\n');
    assert.ok(image.config.config.Env?.includes('FROM_BUILDER=1'));
  },

  async '/etc/mtab survives as the link ../proc/self/mounts, and what was written over such a link is a file'({
    bench,
    registry,
    busybox,
  }) {
    const relative = await handmadeBase(bench, { on: busybox, layers: [[mtab('../proc/self/mounts')]] });
    const overwritten = await handmadeBase(bench, {
      on: busybox,
      layers: [[mtab('/proc/mounts')], [{ path: 'etc/mtab', content: 'a regular file\n' }]],
    });
    const bases = [await registry.push(relative, 'mtab:link'), await registry.push(overwritten, 'mtab:file')];
    const [first, second] = await Promise.all(
      bases.map(async (base) =>
        bench.build({ Dockerfile: `FROM ${base}\nRUN readlink /etc/mtab; cp /etc/mtab /copy\n` }),
      ),
    );
    const [linked, filed] = [
      await unpackImage(bench, first?.layout ?? ''),
      await unpackImage(bench, second?.layout ?? ''),
    ];
    assert.equal(readlinkSync(join(linked, 'rootfs/etc/mtab')), '../proc/self/mounts');
    assert.match(readFileSync(join(linked, 'rootfs/copy'), 'utf8'), / \/proc proc /);
    assert.equal(readFileSync(join(filed, 'rootfs/etc/mtab'), 'utf8'), 'a regular file\n');
    assert.equal(readFileSync(join(filed, 'rootfs/copy'), 'utf8'), 'a regular file\n');
  },

  async 'links and files that replace one another from layer to layer end as the last layer has them'({
    bench,
    registry,
    busybox,
  }) {
    const base = await handmadeBase(bench, {
      on: busybox,
      layers: [
        [
          { path: 'a', type: 'directory' },
          { path: 'a/target', content: 'untouched' },
          { path: 'a/link', type: 'symlink', target: 'target' },
          { path: 'a/file', content: 'old' },
          { path: 'a/dir', type: 'directory' },
          { path: 'a/dir/below', content: 'gone' },
          { path: 'a/gone', type: 'symlink', target: 'target' },
          { path: 'a/twice', type: 'symlink', target: '/etc' },
        ],
        [
          { path: 'a/link', content: 'a file now' },
          { path: 'a/file', type: 'symlink', target: 'target' },
          { path: 'a/dir', content: 'a file too' },
          // Kaniko's users met layers in which the whiteout of a link comes after the link: the entry wins.
          { path: 'a/twice', type: 'symlink', target: '/tmp' },
          { path: 'a/.wh.twice' },
          { path: 'a/.wh.gone' },
        ],
      ],
    });
    const reference = await registry.push(base, 'replaced:1');
    const command =
      'cd /a && { find . | sort && readlink file && readlink twice && cat link file dir target; } > /seen';
    const { layout } = await bench.build({
      Dockerfile: `FROM ${reference}\nRUN ${command}\nCOPY new /a/file\n`,
      new: 'new',
    });
    const image = readLayout(layout);
    const rootfs = join(await unpackImage(bench, layout), 'rootfs');
    assert.deepEqual(readFileSync(join(rootfs, 'seen'), 'utf8').split('\n'), [
      '.',
      './dir',
      './file',
      './link',
      './target',
      './twice',
      'target',
      '/tmp',
      'a file nowuntoucheda file toountouched',
    ]);
    // COPY follows a link at its destination.
    assert.deepEqual(image.layers().at(-1), ['a', 'a/target']);
  },

  async 'a directory is replaced by a file and a file by a directory'({ bench, base }) {
    const lines = [
      'RUN mkdir /x && touch /x/below /y',
      'RUN rm -r /x && echo file > /x && rm /y && mkdir /y && touch /y/below',
    ];
    const { layout } = await bench.build({ Dockerfile: [`FROM ${base}`, ...lines].join('\n') });
    const rootfs = join(await unpackImage(bench, layout), 'rootfs');
    assert.equal(readFileSync(join(rootfs, 'x'), 'utf8'), 'file\n');
    assert.ok(lstatSync(join(rootfs, 'y/below')).isFile());
  },

  async 'an archive added into / leaves what is there alone, links of directories included'({
    bench,
    registry,
    busybox,
  }) {
    const usrMerged = await handmadeBase(bench, {
      on: busybox,
      layers: [
        [
          { path: 'usr/lib', type: 'directory', mode: 0o711 },
          { path: 'lib', type: 'symlink', target: 'usr/lib' },
        ],
      ],
    });
    const reference = await registry.push(usrMerged, 'usrmerged:1');
    const archive = await collect(
      tarOf([
        { path: './', type: 'directory', mode: 0o700 },
        { path: './lib/new.so', content: 'library', owner: [7, 8] },
        { path: './etc/new.conf', content: 'configuration' },
      ]),
    );
    const { layout } = await bench.build({
      Dockerfile: `FROM ${reference}\nADD archive.tar /\n`,
      'archive.tar': archive,
    });
    const added = readLayout(layout).layers().at(-1);
    assert.deepEqual(
      added?.filter((path) => path !== ''),
      ['etc', 'etc/new.conf', 'usr', 'usr/lib', 'usr/lib/new.so'],
    );
    const rootfs = join(await unpackImage(bench, layout), 'rootfs');
    assert.equal(readlinkSync(join(rootfs, 'lib')), 'usr/lib');
    assert.equal(lstatSync(rootfs).mode & 0o777, 0o755);
    assert.deepEqual([lstatSync(join(rootfs, 'lib/new.so')).uid, lstatSync(join(rootfs, 'lib/new.so')).gid], [7, 8]);
  },

  async 'a directory copied to / adds what it holds and its parents, nothing else'({ bench, base }) {
    const { layout } = await bench.build({
      Dockerfile: `FROM ${base}\nCOPY root /\n`,
      'root/etc/app/app.conf': 'configuration',
      'root/app': 'program',
    });
    const added = readLayout(layout).layers().at(-1);
    assert.deepEqual(
      added?.filter((path) => path !== ''),
      ['app', 'etc', 'etc/app', 'etc/app/app.conf'],
    );
  },

  async 'wildcards match sources written with a leading slash and with ./'({ bench, base }) {
    const { layout } = await bench.build({
      Dockerfile: `FROM ${base}\nCOPY /a*.txt ./b?.txt /absolute/\nCOPY none*.txt /nothing/\n`,
      'a1.txt': '1',
      'a2.txt': '2',
      'b3.txt': '3',
      'c.txt': 'no',
    });
    const { history, rootfs } = readLayout(layout).config;
    assert.deepEqual(readLayout(layout).layers().at(-2), [
      'absolute',
      'absolute/a1.txt',
      'absolute/a2.txt',
      'absolute/b3.txt',
    ]);
    assert.equal(rootfs.diff_ids.length, history.filter((entry) => entry.empty_layer !== true).length);
  },

  async "a context below a path with the name of kaniko's own directory is copied whole"({ bench, base }) {
    const files = bench.files({
      'kaniko/app/Dockerfile': `FROM ${base}\nCOPY kaniko /kaniko\nRUN cat /kaniko/file > /seen\n`,
      'kaniko/app/kaniko/file': 'x',
    });
    const { layout } = await bench.build(join(files, 'kaniko/app'));
    assert.ok(readLayout(layout).layers().flat().includes('kaniko/file'));
  },

  async 'VOLUME makes no directory, and what is written below it later is kept'({ bench, base }) {
    const { layout } = await bench.build({
      Dockerfile: `FROM ${base}\nVOLUME /data /none\nRUN mkdir /data && echo kept > /data/file\n`,
    });
    const image = readLayout(layout);
    assert.deepEqual(image.config.config.Volumes, { '/data': {}, '/none': {} });
    assert.deepEqual(image.layers().at(-1), ['data', 'data/file']);
  },

  async 'the triggers of an ONBUILD base run first, and are gone afterwards'({ bench, registry, busybox }) {
    const onbuild = await handmadeBase(bench, {
      on: busybox,
      layers: [],
      config: {
        OnBuild: ['COPY input /input', 'RUN cat /input /input > /output', 'ENV TRIGGERED=1'],
        Env: ['PATH=/bin'],
      },
    });
    const reference = await registry.push(onbuild, 'onbuild:1');
    const { layout } = await bench.build({
      Dockerfile: `FROM ${reference}\nRUN echo $TRIGGERED >> /output\n`,
      input: 'in\n',
    });
    const { config } = readLayout(layout);
    assert.deepEqual(config.config.OnBuild ?? [], []);
    assert.equal(readFileSync(join(await unpackImage(bench, layout), 'rootfs/output'), 'utf8'), 'in\nin\n1\n');
  },

  async 'each COPY, ADD and changing RUN is a layer, everything else a history entry without one'({
    bench,
    base,
    busybox,
  }) {
    const steps: readonly (readonly [line: string, layer: boolean])[] = [
      ['ENV A=1', false],
      ['COPY file /file', true],
      ['COPY file /file', true],
      ['RUN true', false],
      ['RUN echo x > /x', true],
      ['WORKDIR /work', true],
      ['WORKDIR /work', false],
      ['LABEL a=b', false],
      ['ADD file /added', true],
      ['USER 1000', false],
      ['CMD ["x"]', false],
    ];
    const { layout } = await bench.build({
      Dockerfile: [`FROM ${base}`, ...steps.map(([line]) => line)].join('\n'),
      file: 'file',
    });
    const { config } = readLayout(layout);
    const inBase = readLayout(busybox).config.history.length;
    assert.deepEqual(
      config.history.slice(inBase).map(({ empty_layer }) => empty_layer !== true),
      steps.map(([, layer]) => layer),
    );
    assert.equal(config.rootfs.diff_ids.length, inBase + steps.filter(([, layer]) => layer).length);
  },

  async 'names of any bytes, any length and any depth arrive unchanged'({ bench, base }) {
    const odd = ['with space', 'new\nline', 'ünïcödé', 'quo\'te"s', 'back\\slash', 'long'.repeat(60), '-dash', '*'];
    const deep = `${'directory-of-some-length/'.repeat(12)}file`;
    const files = Object.fromEntries([...odd, deep].map((name) => [`names/${name}`, name]));
    const { layout } = await bench.build({
      Dockerfile: `FROM ${base}\nCOPY names /names\nRUN cp -r /names /copied\n`,
      ...files,
    });
    const rootfs = join(await unpackImage(bench, layout), 'rootfs');
    for (const name of [...odd, deep]) {
      assert.equal(readFileSync(join(rootfs, 'names', name), 'utf8'), name);
      assert.equal(readFileSync(join(rootfs, 'copied', name), 'utf8'), name);
    }
  },

  async 'hard links stay one file: inside a COPY, after a RUN, and when written through one name'({ bench, base }) {
    const { layout } = await bench.build({
      Dockerfile: `FROM ${base}\nCOPY linked /linked\nRUN echo more >> /linked/a && ln /linked/b /linked/c\n`,
      'linked/a': 'text\n',
      'linked/b': { hardlink: 'linked/a' },
    });
    const rootfs = join(await unpackImage(bench, layout), 'rootfs');
    const stats = ['a', 'b', 'c'].map((name) => lstatSync(join(rootfs, 'linked', name)));
    assert.deepEqual(new Set(stats.map(({ ino }) => ino)).size, 1);
    assert.equal(readFileSync(join(rootfs, 'linked/c'), 'utf8'), 'text\nmore\n');
  },

  async 'what is made below a link lies where the link leads, and a link into /proc is a link like any other'({
    bench,
    base,
  }) {
    const { layout } = await bench.build({
      Dockerfile: `FROM ${base}\nRUN ln -s /usr/sbin /l && ln -s x /l/link && echo f > /l/file && ln -s /proc/self/fd/1 /out\n`,
    });
    assert.deepEqual(readLayout(layout).layers().at(-1), [
      'l',
      'out',
      'usr',
      'usr/sbin',
      'usr/sbin/file',
      'usr/sbin/link',
    ]);
  },

  async 'setuid bits, devices and fifos that a RUN makes are in the image'({ bench, base }) {
    const { layout } = await bench.build({
      Dockerfile: `FROM ${base}\nRUN mknod /node c 7 9 && mkfifo /fifo && cp /bin/busybox /tool && chmod 4711 /tool\n`,
    });
    const lines = new Map(
      readLayout(layout)
        .layer(-1)
        .map((line) => [line.path, line]),
    );
    assert.equal(lines.get('node')?.mode, 'crw-r--r--');
    assert.equal(lines.get('node')?.size, '7,9');
    assert.equal(lines.get('fifo')?.mode, 'prw-r--r--');
    assert.equal(lines.get('tool')?.mode, '-rws--x--x');
  },
};

/** Builds on docker.io's busybox, which the registry stands in for, and unpacks the image. */
async function runAndRead(
  bench: Workbench,
  registry: TestRegistry,
  lines: readonly string[],
): Promise<{ stdout: (path: string) => string; image: ReturnType<typeof readLayout> }> {
  const flags = [`--registry-mirror=${registry.host}`, `--insecure-registry=${registry.host}`];
  const { layout } = await bench.build({ Dockerfile: lines.join('\n') }, { flags });
  const rootfs = join(await unpackImage(bench, layout), 'rootfs');
  return { stdout: (path) => readFileSync(join(rootfs, path), 'utf8'), image: readLayout(layout) };
}

function mtab(target: string): HandmadeEntry {
  return { path: 'etc/mtab', type: 'symlink', target };
}
