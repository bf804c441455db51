/** The layer cache, seen from outside: what hits, what misses, that a rebuild gives the same image and moves no layer. */
import assert from 'node:assert/strict';
import { chmodSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { busyboxBase } from '../bases/bases.ts';
import { NO_RUNTIME } from './runImage.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { workbench, type BuildSettings, type Built } from './workbench.ts';
import type { Files } from './writeFiles.ts';

test('the layer cache', { skip: NO_RUNTIME ?? NO_TEST_REGISTRY ?? false }, async (all) => {
  const busybox = layoutOf(all, await busyboxBase());
  if (busybox === undefined) return;
  const registry = await testRegistry(all);
  const { host } = registry;
  const base = await registry.push(busybox, 'busybox:latest');
  const next = counter();

  /** Builds on a machine that has nothing, with a cache of this test's own. */
  const machine = (t: TestContext, flags: readonly string[] = ['--cache-copy-layers']) => {
    const bench = workbench(t);
    const repository = `${host}/cache-${next()}`;
    const build = (context: string | Files, settings: BuildSettings = {}): Promise<Built> =>
      bench.build(context, {
        ...settings,
        dataDirectory: settings.dataDirectory ?? bench.path('data'),
        flags: ['--cache', `--cache-repo=${repository}`, ...flags, ...(settings.flags ?? [])],
      });
    return { bench, repository, build };
  };

  const COLD_AND_WARM: readonly (readonly [name: string, files: Files, flags?: readonly string[]])[] = [
    ['a RUN', { Dockerfile: `FROM ${base}\nRUN cat /proc/sys/kernel/random/uuid > /now; echo x > /etc/x\n` }],
    [
      'a RUN that changes nothing',
      { Dockerfile: `FROM ${base}\nRUN true\nRUN cat /proc/sys/kernel/random/uuid > /now\n` },
    ],
    [
      'COPY, ADD, WORKDIR, a heredoc and metadata between',
      {
        Dockerfile: [
          `FROM ${base}`,
          'LABEL a=1',
          'WORKDIR /made/for/this',
          'ENV WHO=me',
          'COPY . /src/',
          'RUN cat /proc/sys/kernel/random/uuid > now; echo $WHO > /who',
          'USER app',
          'WORKDIR /home/app/work',
          'ADD --chmod=600 a.txt /etc/',
          'COPY <<end /inline',
          'text',
          'end',
          'RUN <<end',
          'cat /proc/sys/kernel/random/uuid > /tmp/later',
          'end',
          'CMD ["x"]',
        ].join('\n'),
        'a.txt': 'a',
        'd/b.txt': 'b',
      },
    ],
    [
      'stages built on stages, files taken from them, ONBUILD',
      {
        Dockerfile: [
          `FROM ${base} AS one`,
          'RUN cat /proc/sys/kernel/random/uuid > /one',
          'ONBUILD RUN cat /proc/sys/kernel/random/uuid > /triggered',
          'FROM one AS two',
          'COPY --from=one /one /copied/one',
          'RUN cat /proc/sys/kernel/random/uuid > /two',
          'FROM scratch',
          'COPY --from=two /two /one /triggered /files/',
          'COPY --from=one --chown=5:6 /one /x',
        ].join('\n'),
      },
    ],
    [
      'RUN with mounts',
      {
        Dockerfile: [
          `FROM ${base} AS one`,
          'RUN cat /proc/sys/kernel/random/uuid > /one',
          `FROM ${base}`,
          'RUN --mount=from=one,target=/m cat /m/one > /x; cat /proc/sys/kernel/random/uuid > /y',
          'RUN --mount=target=/context --mount=type=cache,target=/c --mount=type=tmpfs,target=/t cat /context/a.txt > /z',
        ].join('\n'),
        'a.txt': 'a',
      },
    ],
    [
      'two stages that begin alike, side by side',
      {
        Dockerfile: [
          `FROM ${base} AS one`,
          'RUN sleep 0.3; cat /proc/sys/kernel/random/uuid > /now',
          'RUN cat /proc/sys/kernel/random/uuid > /more',
          `FROM ${base} AS two`,
          'RUN sleep 0.3; cat /proc/sys/kernel/random/uuid > /now',
          'RUN cat /proc/sys/kernel/random/uuid > /more',
          'FROM two',
          'COPY --from=one /now /of-one',
        ].join('\n'),
      },
    ],
    [
      '--reproducible',
      { Dockerfile: `FROM ${base}\nRUN cat /proc/sys/kernel/random/uuid > /now\nCOPY a /b/\n`, a: 'a' },
      ['--reproducible'],
    ],
  ];

  for (const [name, files, flags = []] of COLD_AND_WARM) {
    await all.test(`cold and warm give the same image: ${name}`, async (t) => {
      const { bench, build } = machine(t);
      const context = bench.files(files);
      const cold = await build(context, { flags });
      const warm = await build(context, { flags });
      assert.deepEqual(steps(warm).executed, [], warm.stderr);
      assert.equal(warm.digest, cold.digest);
      assert.doesNotMatch(warm.stderr, /warn/i);
    });
  }

  /** What is different in the second of two builds, and which of its steps are executed. */
  const CHANGES: readonly {
    readonly name: string;
    readonly files: Files;
    readonly change: (context: string) => void;
    readonly flags?: readonly (readonly string[])[];
    readonly executed: readonly string[];
  }[] = [
    {
      name: 'a checkout at another time',
      files: { Dockerfile: `FROM ${base}\nCOPY . /x/\nRUN date > /y\n`, a: 'a' },
      change: (context) => utimesSync(join(context, 'a'), 1, 1),
      executed: [],
    },
    {
      name: 'a directory that is called otherwise and copied as the same',
      files: { Dockerfile: `ARG from=one\nFROM ${base}\nARG from\nCOPY $from /x/\n`, 'one/a': 'a' },
      change: (context) => renameSync(join(context, 'one'), join(context, 'two')),
      flags: [[], ['--build-arg=from=two']],
      executed: [],
    },
    {
      name: 'modes that --chmod replaces',
      files: { Dockerfile: `FROM ${base}\nCOPY --chmod=755 . /x/\nRUN date > /y\n`, a: 'a' },
      change: (context) => chmodSync(join(context, 'a'), 0o600),
      executed: [],
    },
    {
      name: 'labels, a proxy, a file that .dockerignore leaves out, a stage that is not needed',
      files: {
        Dockerfile: `FROM ${base} AS unused\nRUN exit 1\nFROM ${base}\nCOPY . /x/\nRUN date > /y\n`,
        '.dockerignore': 'ignored\n',
        ignored: '1',
      },
      change: (context) => writeFileSync(join(context, 'ignored'), '2'),
      flags: [[], ['--label=a=b', '--build-arg=http_proxy=http://p']],
      executed: [],
    },
    {
      name: 'one byte of a file',
      files: { Dockerfile: `FROM ${base}\nRUN true\nCOPY . /x/\nRUN date > /y\n`, a: 'a' },
      change: (context) => writeFileSync(join(context, 'a'), 'b'),
      executed: ['COPY . /x/', 'RUN date > /y'],
    },
    {
      name: 'the mode of a directory that --parents copies on the way',
      files: { Dockerfile: `FROM ${base}\nCOPY --parents d/e/a /x/\n`, 'd/e/a': 'a' },
      change: (context) => chmodSync(join(context, 'd'), 0o700),
      executed: ['COPY --parents d/e/a /x/'],
    },
    {
      name: 'a build argument that RUN sees, not one that it does not see',
      files: { Dockerfile: `FROM ${base}\nARG A\nRUN date > /y\nARG B\nRUN date > /z\n` },
      change: () => undefined,
      flags: [['--build-arg=A=1'], ['--build-arg=A=1', '--build-arg=B=2']],
      executed: ['RUN date > /z'],
    },
    {
      name: 'a file that a RUN mounts',
      files: { Dockerfile: `FROM ${base}\nRUN --mount=target=/m,source=a cat /m > /y\n`, a: 'a', b: 'b' },
      change: (context) => writeFileSync(join(context, 'a'), 'b'),
      executed: ['RUN --mount=target=/m,source=a cat /m > /y'],
    },
    {
      name: 'what a stage gives is rebuilt and the same',
      files: {
        Dockerfile: `FROM ${base} AS made\nARG N\nRUN echo the same > /x; cat /proc/sys/kernel/random/uuid > /y\nFROM ${base}\nCOPY --from=made /x /x\nRUN date > /y\n`,
      },
      change: () => undefined,
      flags: [['--build-arg=N=1'], ['--build-arg=N=2']],
      executed: ['RUN echo the same > /x; cat /proc/sys/kernel/random/uuid > /y'],
    },
    {
      name: 'what a stage gives is rebuilt and different',
      files: {
        Dockerfile: `FROM ${base} AS made\nARG N\nRUN echo $N > /x\nFROM ${base}\nCOPY --from=made /x /x\nRUN date > /y\n`,
      },
      change: () => undefined,
      flags: [['--build-arg=N=1'], ['--build-arg=N=2']],
      executed: ['RUN echo 2 > /x', 'COPY --from=made /x /x', 'RUN date > /y'],
    },
    {
      name: 'SOURCE_DATE_EPOCH by --reproducible',
      files: { Dockerfile: `FROM ${base}\nRUN date > /y\n` },
      change: () => undefined,
      flags: [[], ['--reproducible']],
      executed: ['RUN date > /y'],
    },
    {
      name: '--no-cache-filter',
      files: {
        Dockerfile: `FROM ${base} AS made\nRUN date > /x\nFROM ${base}\nRUN date > /y\nCOPY --from=made /x /z\n`,
      },
      change: () => undefined,
      flags: [[], ['--no-cache-filter=made']],
      executed: ['RUN date > /x', 'COPY --from=made /x /z'],
    },
    {
      name: '--no-cache',
      files: { Dockerfile: `FROM ${base}\nRUN date > /y\n` },
      change: () => undefined,
      flags: [[], ['--no-cache']],
      executed: ['RUN date > /y'],
    },
  ];

  for (const { name, files, change, flags: [first = [], second = []] = [], executed } of CHANGES) {
    const means = executed.length === 0 ? 'hits' : 'misses';
    await all.test(`what is different and ${means}: ${name}`, async (t) => {
      const { bench, build } = machine(t);
      const context = bench.files(files);
      await build(context, { flags: first });
      change(context);
      const again = await build(context, { flags: second });
      assert.deepEqual(steps(again).executed, executed, again.stderr);
    });
  }

  await all.test('a stage is not even looked at if all that is taken from it is in the cache', async (t) => {
    const { bench, build } = machine(t);
    const context = bench.files({ Dockerfile: fourStages(base, 'LABEL a=b') });
    const cold = await build(context);
    const warm = await build(context);
    assert.equal(warm.digest, cold.digest);
    assert.deepEqual(steps(warm).found, ['COPY --from=two /z /copied /', 'COPY --from=three /three /']);
    assert.equal([...warm.stderr.matchAll(/Skipping stage (one|two|three)/g)].length, 3);

    // Now one of them is needed, and what it is made of; the third is not.
    writeFileSync(join(context, 'Dockerfile'), fourStages(base, 'COPY --from=one /y /'));
    const more = await build(context);
    assert.deepEqual(steps(more).executed, ['COPY --from=one /y /'], more.stderr);
    assert.match(more.stderr, /Skipping stage two[^]*Skipping stage three/);

    // A stage that is executed anew is not mixed with what was taken from it before.
    const mixed = await build(context, { flags: ['--no-cache-filter=one'] });
    assert.deepEqual(
      steps(mixed).executed,
      [
        'RUN cat /proc/sys/kernel/random/uuid > /x; cat /proc/sys/kernel/random/uuid > /y',
        'COPY --from=one /x /copied',
        'RUN cat /proc/sys/kernel/random/uuid > /z',
        'COPY --from=two /z /copied /',
        'COPY --from=three /three /',
        'COPY --from=one /y /',
      ],
      mixed.stderr,
    );
  });

  await all.test('a COPY that is not cached does not stop the look for the RUN below it', async (t) => {
    const { bench, build } = machine(t, []);
    const context = bench.files({ Dockerfile: `FROM ${base}\nCOPY a /a\nRUN date > /y\n`, a: 'a' });
    await build(context, { flags: ['--cache-copy-layers=false'] });
    const { found } = steps(await build(context, { flags: ['--cache-copy-layers=false'] }));
    assert.deepEqual(found, ['RUN date > /y']);
  });
});

/** The steps of a build by the log. */
function steps({ stderr }: Built): { executed: string[]; found: string[] } {
  const all = (pattern: RegExp): string[] => [...stderr.matchAll(pattern)].map(([, text = '']) => text);
  return {
    executed: all(/No cached layer found for cmd (.*)/g),
    found: all(/Using caching version of cmd: (.*)/g),
  };
}

function counter(): () => number {
  let count = 0;
  return () => count++;
}

function fourStages(base: string, last: string): string {
  return [
    `FROM ${base} AS one`,
    'RUN cat /proc/sys/kernel/random/uuid > /x; cat /proc/sys/kernel/random/uuid > /y',
    'FROM one AS two',
    'COPY --from=one /x /copied',
    'RUN cat /proc/sys/kernel/random/uuid > /z',
    `FROM ${base} AS three`,
    'RUN cat /proc/sys/kernel/random/uuid > /three',
    'FROM scratch',
    'COPY --from=two /z /copied /',
    'COPY --from=three /three /',
    last,
  ].join('\n');
}
