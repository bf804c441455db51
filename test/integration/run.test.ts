/** RUN, seen from outside: what a command leaves in the image, in the log, in the exit code and on the machine. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { busyboxBase } from '../bases/bases.ts';
import { handmadeBase } from './handmadeBase.ts';
import { readLayout } from './layoutImage.ts';
import { NO_RUNTIME, unpackImage } from './runImage.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { workbench, type Workbench } from './workbench.ts';

test('RUN', { skip: NO_RUNTIME ?? NO_TEST_REGISTRY ?? false }, async (suite) => {
  const busybox = layoutOf(suite, await busyboxBase());
  if (busybox === undefined) return;
  const registry = await testRegistry(suite);
  const base = await registry.push(busybox, 'busybox:latest');

  await suite.test(
    "a failing command's exit code is kasane's, and the log shows the line and what it printed",
    async (t) => {
      const bench = workbench(t);
      const { exitCode, stderr, stdout, digest } = await bench.tryBuild({
        Dockerfile: `FROM ${base}\n\nRUN echo before\nRUN echo the reason >&2; \\\n    exit 42\nRUN echo never\n`,
      });
      assert.equal(exitCode, 42);
      const log = `${stdout}${stderr}`;
      assert.match(log, /the reason/);
      assert.match(log, /exit code: 42/);
      assert.match(log, /4 \| >>> RUN echo the reason/);
      assert.match(log, /5 \| >>> +exit 42/);
      assert.doesNotMatch(log, /^never$/m);
      assert.equal(digest, '', 'no digest of an image that was not built');
    },
  );

  await suite.test('a command that a signal kills fails the build', async (t) => {
    const { exitCode } = await workbench(t).tryBuild({ Dockerfile: `FROM ${base}\nRUN sh -c 'kill -9 $$'; exit $?\n` });
    assert.equal(exitCode, 137);
  });

  await suite.test('a program that is not in the image is named', async (t) => {
    const { exitCode, stderr } = await workbench(t).tryBuild({ Dockerfile: `FROM ${base}\nRUN ["/no/such", "x"]\n` });
    assert.notEqual(exitCode, 0);
    assert.match(stderr, /\/no\/such/);
  });

  await suite.test(
    'a daemon that a command leaves behind is dead when the next step starts, and holds nothing up',
    async (t) => {
      const bench = workbench(t);
      const seconds = 100_000 + process.pid;
      const { layout } = await bench.build({
        Dockerfile: [
          `FROM ${base}`,
          `RUN (trap '' TERM HUP; while true; do sleep ${seconds}; date >> /alive; done) & setsid sleep ${seconds} >/dev/null 2>&1 </dev/null & echo started`,
          'RUN ps > /processes',
        ].join('\n'),
      });
      const bundle = await unpackImage(bench, layout);
      assert.ok(!readFileSync(join(bundle, 'rootfs/processes'), 'utf8').includes('sleep'));
      await setTimeout(100);
      assert.ok(!(await commandLines(bench)).includes(`sleep ${seconds} `), 'the daemon outlived the build');
    },
  );

  await suite.test(
    'a step that changes nothing adds a history entry and no layer, however much it touches',
    async (t) => {
      const { layout } = await workbench(t).build({
        Dockerfile: [
          `FROM ${base}`,
          'RUN true',
          'RUN chmod -R u+rw /etc && chown -R 0:0 /bin && ln /etc/passwd /p && rm /p && mv /etc/group /g && mv /g /etc/group',
          'RUN touch /run/x /tmp/x 2>/dev/null; rm -f /run/x /tmp/x; echo x > /dev/null; cat /etc/hosts > /dev/null',
        ].join('\n'),
      });
      const image = readLayout(layout);
      assert.equal(image.manifest.layers.length, readLayout(busybox).manifest.layers.length);
      assert.deepEqual(
        image.config.history.slice(-3).map((entry) => entry.empty_layer),
        [true, true, true],
      );
    },
  );

  await suite.test('what the machine lends to a command is not in the image', async (t) => {
    const { layout } = await workbench(t).build({
      Dockerfile: [
        `FROM ${base}`,
        'RUN test -s /etc/resolv.conf && grep -q localhost /etc/hosts && test -e /proc/self/status && test -c /dev/null && echo x > /file',
      ].join('\n'),
    });
    assert.deepEqual(readLayout(layout).layers().at(-1), ['file']);
  });

  await suite.test(
    'a command has the environment of the image and of the arguments, and nothing of the machine',
    async (t) => {
      const bench = workbench(t);
      const { layout } = await bench.build(
        {
          Dockerfile: [
            `FROM ${base}`,
            'ENV A=image',
            'ARG B',
            'ARG FROM_ENVIRONMENT',
            'RUN env | grep -v -e "^_=" -e "^PWD=" -e "^SHLVL=" | sort > /env',
            'USER app',
            'RUN echo $HOME > /tmp/named',
            'USER 4242',
            'RUN echo $HOME > /tmp/bare',
          ].join('\n'),
        },
        {
          flags: ['--build-arg', 'B=argument', '--build-arg', 'FROM_ENVIRONMENT'],
          env: { FROM_ENVIRONMENT: 'from the environment', LEAK: 'no' },
        },
      );
      const rootfs = join(await unpackImage(bench, layout), 'rootfs');
      assert.deepEqual(readFileSync(join(rootfs, 'env'), 'utf8').trim().split('\n'), [
        'A=image',
        'B=argument',
        'FROM_ENVIRONMENT=from the environment',
        'HOME=/root',
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      ]);
      assert.equal(readFileSync(join(rootfs, 'tmp/named'), 'utf8'), '/home/app\n');
      assert.equal(readFileSync(join(rootfs, 'tmp/bare'), 'utf8'), '/\n');
    },
  );

  await suite.test(
    'a build that is told to stop in the middle of a command ends with 143 and leaves nothing behind',
    async (t) => {
      const bench = workbench(t);
      const seconds = 200_000 + process.pid;
      const { exitCode, digest } = await bench.tryBuild(
        { Dockerfile: `FROM ${base}\nRUN trap '' TERM; sleep ${seconds}\n` },
        { prefix: ['timeout', '--preserve-status', '--signal=TERM', '5'] },
      );
      assert.equal(exitCode, 143);
      assert.equal(digest, '');
      assert.deepEqual(readdirSync(join(bench.directory, 'data/builds')), []);
      assert.ok(!(await commandLines(bench)).includes(`sleep ${seconds} `), 'the command outlived the build');
    },
  );

  await suite.test('120 steps in one stage', async (t) => {
    const bench = workbench(t);
    const steps = Array.from({ length: 120 }, (_, index) => `RUN echo ${index} >> /count`);
    const { layout } = await bench.build({ Dockerfile: [`FROM ${base}`, ...steps].join('\n') });
    assert.equal(readLayout(layout).manifest.layers.length, 120 + readLayout(busybox).manifest.layers.length);
    const bundle = await unpackImage(bench, layout);
    assert.equal(readFileSync(join(bundle, 'rootfs/count'), 'utf8').trim().split('\n').length, 120);
  });

  await suite.test('a base of 120 layers', async (t) => {
    const bench = workbench(t);
    const layers = Array.from({ length: 120 }, (_, index) => [
      { path: 'deep', type: 'directory' as const },
      { path: `deep/${index}`, content: String(index) },
      { path: 'deep/last', content: String(index) },
    ]);
    const deep = await registry.push(await handmadeBase(bench, { on: busybox, layers }), 'deep:120');
    const { layout } = await bench.build({
      Dockerfile: `FROM ${deep}\nRUN cat /deep/last > /last && ls /deep | wc -l > /number && rm /deep/7\n`,
    });
    const rootfs = join(await unpackImage(bench, layout), 'rootfs');
    assert.equal(readFileSync(join(rootfs, 'last'), 'utf8'), '119');
    assert.equal(readFileSync(join(rootfs, 'number'), 'utf8').trim(), '121');
    assert.deepEqual(readLayout(layout).layers().at(-1)?.toSorted(), ['deep', 'deep/.wh.7', 'last', 'number']);
  });

  await suite.test('a layer that comes twice in an image', async (t) => {
    const bench = workbench(t);
    const same = [{ path: 'same', content: 'same' }];
    const layers = [same, [{ path: '.wh.same' }], same];
    const twice = await registry.push(await handmadeBase(bench, { on: busybox, layers }), 'twice:1');
    const { layout } = await bench.build({
      Dockerfile: `FROM ${twice}\nRUN cat /same > /seen\nCOPY file /file\nRUN rm /file\nCOPY file /file\nRUN cat /file >> /seen\n`,
      file: 'file',
    });
    assert.equal(readFileSync(join(await unpackImage(bench, layout), 'rootfs/seen'), 'utf8'), 'samefile');
  });

  await suite.test('values of build arguments that look secret are not in the log', async (t) => {
    const { stderr } = await workbench(t).build(
      { Dockerfile: `FROM ${base}\nARG API_TOKEN\nRUN test "$API_TOKEN" = s3cr3t-value\n` },
      { flags: ['--build-arg', 'API_TOKEN=s3cr3t-value', '--verbosity=debug'] },
    );
    assert.doesNotMatch(stderr, /s3cr3t-value/);
  });
});

/** Of all processes of this machine. */
async function commandLines(bench: Workbench): Promise<string> {
  return (await bench.run(['sh', '-c', `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '`])).stdout;
}
