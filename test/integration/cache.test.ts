/** The layer cache, seen from outside: what hits, what misses, that a rebuild gives the same image and moves no layer. */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { busyboxBase } from '../bases/bases.ts';
import { startFaultProxy, type FaultProxy } from './faultProxy.ts';
import { NO_RUNTIME } from './runImage.ts';
import { startRegistry } from './registry.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { workbench, type BuildSettings, type Built, type Workbench } from './workbench.ts';
import type { Files } from './writeFiles.ts';

test('the layer cache', { skip: NO_RUNTIME ?? NO_TEST_REGISTRY ?? false }, async (t) => {
  const busybox = layoutOf(t, await busyboxBase());
  if (busybox === undefined) return;
  const { host, push } = await testRegistry(t);
  const base = await push(busybox, 'busybox:latest');
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
    ['a RUN', { Dockerfile: `FROM ${base}\nRUN date +%N > /now; echo x > /etc/x\n` }],
    ['a RUN that changes nothing', { Dockerfile: `FROM ${base}\nRUN true\nRUN date +%N > /now\n` }],
    ['only RUN cached', { Dockerfile: `FROM ${base}\nRUN date +%N > /now\n` }, ['--cache-copy-layers=false']],
    [
      'COPY, ADD, WORKDIR, a heredoc and metadata between',
      {
        Dockerfile: [
          `FROM ${base}`,
          'LABEL a=1',
          'WORKDIR /made/for/this',
          'ENV WHO=me',
          'COPY . /src/',
          'RUN date +%N > now; echo $WHO > /who',
          'USER app',
          'WORKDIR /home/app/work',
          'ADD --chmod=600 a.txt /etc/',
          'COPY <<end /inline',
          'text',
          'end',
          'RUN <<end',
          'date +%N > /tmp/later',
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
          'RUN date +%N > /one',
          'ONBUILD RUN date +%N > /triggered',
          'FROM one AS two',
          'COPY --from=one /one /copied/one',
          'RUN date +%N > /two',
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
          'RUN date +%N > /one',
          `FROM ${base}`,
          'RUN --mount=from=one,target=/m cat /m/one > /x; date +%N > /y',
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
          'RUN sleep 0.3; date +%N > /now',
          'RUN date +%N > /more',
          `FROM ${base} AS two`,
          'RUN sleep 0.3; date +%N > /now',
          'RUN date +%N > /more',
          'FROM two',
          'COPY --from=one /now /of-one',
        ].join('\n'),
      },
    ],
    ['--reproducible', { Dockerfile: `FROM ${base}\nRUN date +%N > /now\nCOPY a /b/\n`, a: 'a' }, ['--reproducible']],
  ];

  for (const [name, files, flags = []] of COLD_AND_WARM) {
    await t.test(`cold and warm give the same image: ${name}`, async (t) => {
      const { bench, build } = machine(t);
      const context = bench.files(files);
      const cold = await build(context, { flags });
      const warm = await build(context, { flags });
      assert.deepEqual(steps(warm).executed, [], warm.stderr);
      assert.equal(warm.digest, cold.digest);
      assert.doesNotMatch(warm.stderr, /warn/i);
    });
  }
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
