/** Stages, arguments and contexts, from the command line to the image. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { busyboxBase } from '../bases/bases.ts';
import { readLayout } from './layoutImage.ts';
import { NO_RUNTIME, runImage, unpackImage } from './runImage.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { workbench } from './workbench.ts';

test('stages and contexts', { skip: NO_RUNTIME ?? NO_TEST_REGISTRY ?? false }, async (suite) => {
  const busybox = layoutOf(suite, await busyboxBase());
  if (busybox === undefined) return;
  const registry = await testRegistry(suite);
  const base = await registry.push(busybox, 'busybox:latest');

  await suite.test('--target builds that stage and none that it does not need', async (t) => {
    const Dockerfile = [
      `FROM ${base} AS wanted`,
      'RUN echo wanted > /mark',
      `FROM ${base} AS broken`,
      'RUN false',
      'FROM broken',
      'COPY --from=wanted /mark /copied',
    ].join('\n');
    const bench = workbench(t);
    const { layout } = await bench.build({ Dockerfile }, { flags: ['--target=wanted'] });
    assert.deepEqual(readLayout(layout).layers().at(-1), ['mark']);
    const byNumber = await bench.build({ Dockerfile }, { flags: ['--target=0'] });
    assert.deepEqual(readLayout(byNumber.layout).layers().at(-1), ['mark']);
    const unknown = await bench.tryBuild({ Dockerfile }, { flags: ['--target=wantde'] });
    assert.equal(unknown.exitCode, 1);
    assert.match(unknown.stderr, /target stage "wantde" could not be found \(did you mean wanted\?\)/);
  });

  await suite.test(
    'stages that need nothing of one another run side by side; what they made comes together',
    async (t) => {
      const port = await meetingPlace(t, 2);
      const stage = (name: string): string[] => [
        `FROM ${base} AS ${name}`,
        `RUN wget -q -O /heard http://127.0.0.1:${port}/`,
      ];
      const { layout } = await workbench(t).build(
        {
          Dockerfile: [
            ...stage('left'),
            ...stage('right'),
            'FROM scratch',
            'COPY --from=left /heard /left',
            'COPY --from=right /heard /right',
          ].join('\n'),
        },
        { flags: ['--jobs=2'] },
      );
      const image = readLayout(layout);
      assert.deepEqual(image.layers(), [['left'], ['right']]);
      assert.deepEqual([image.text(0, 'left'), image.text(1, 'right')], ['met', 'met']);
    },
  );

  await suite.test('a failing stage ends the build with its exit code while another one still runs', async (t) => {
    const { exitCode, stderr } = await workbench(t).tryBuild(
      {
        Dockerfile: [
          `FROM ${base} AS slow`,
          'RUN sleep 600',
          `FROM ${base} AS failing`,
          'RUN exit 7',
          `FROM ${base}`,
          'COPY --from=slow /etc/passwd /a',
          'COPY --from=failing /etc/passwd /b',
        ].join('\n'),
      },
      { flags: ['--jobs=2'] },
    );
    assert.equal(exitCode, 7);
    assert.match(stderr, />>> RUN exit 7/);
  });

  await suite.test('COPY --from of an image takes a file from there, links on the way followed', async (t) => {
    const bench = workbench(t);
    const { layout } = await bench.build({
      Dockerfile: `FROM scratch\nCOPY --from=${base} /bin/sh /bin/busybox /bin/\nENTRYPOINT ["/bin/busybox", "echo", "runs"]\n`,
    });
    assert.equal((await runImage(bench, layout)).stdout, 'runs\n');
  });

  await suite.test(
    'what a context tar holds is what COPY sees: from a file and from stdin, compressed and not',
    async (t) => {
      const bench = workbench(t);
      const files = bench.files({
        Dockerfile: 'FROM scratch\nCOPY . /all/\n',
        'sub/file': { content: 'x', mode: 0o751 },
      });
      const archives = [bench.path('context.tar'), bench.path('context.tar.gz')];
      for (const [index, archive] of archives.entries()) {
        await bench.run(['tar', '-C', files, index === 0 ? '-cf' : '-czf', archive, '.']);
      }
      const expected = ['all', 'all/Dockerfile', 'all/sub', 'all/sub/file'];
      const directory = await bench.build(files);
      const builds = [directory];
      for (const archive of archives) {
        builds.push(await bench.build(`tar://${archive}`));
        builds.push(await bench.build('tar://stdin', { stdin: archive }));
      }
      for (const { layout } of builds) {
        const image = readLayout(layout);
        assert.deepEqual(image.layers()[0], expected);
        assert.equal(image.layer(0).find(({ path }) => path === 'all/sub/file')?.mode, '-rwxr-x--x');
      }
    },
  );

  await suite.test(
    '.dockerignore keeps files out of wildcards and of whole copies; the one beside the Dockerfile wins',
    async (t) => {
      const bench = workbench(t);
      const files = {
        Dockerfile: 'FROM scratch\nCOPY . /all/\nCOPY *.txt /wild/\n',
        'other.Dockerfile': 'FROM scratch\nCOPY . /all/\n',
        'other.Dockerfile.dockerignore': '*\n!keep/one.txt\n',
        '.dockerignore': '**/*.secret\nkeep/*\n!keep/one.txt\nb.txt\n*ocker*\n',
        'a.txt': 'a',
        'b.txt': 'b',
        'x.secret': 'secret',
        'keep/one.txt': 'one',
        'keep/two.txt': 'two',
      };
      const context = bench.files(files);
      const first = await bench.build(context);
      assert.deepEqual(readLayout(first.layout).layers(), [
        ['all', 'all/a.txt', 'all/keep', 'all/keep/one.txt'],
        ['wild', 'wild/a.txt'],
      ]);
      const second = await bench.build(context, { flags: ['--dockerfile=other.Dockerfile'] });
      assert.deepEqual(readLayout(second.layout).layers(), [['all', 'all/keep', 'all/keep/one.txt']]);
      const excluded = await bench.tryBuild({ ...files, Dockerfile: 'FROM scratch\nCOPY x.secret /\n' });
      assert.equal(excluded.exitCode, 1);
      assert.match(excluded.stderr, /"\/x\.secret": not found/);
    },
  );

  await suite.test('a configMap as context: files that are links to links', async (t) => {
    const bench = workbench(t);
    const { layout } = await bench.build({
      '..2026_01_01/Dockerfile': `FROM ${base}\nCOPY run.sh /run.sh\nRUN sh /run.sh > /output\n`,
      '..2026_01_01/run.sh': 'echo from a configMap\n',
      '..data': { symlink: '..2026_01_01' },
      Dockerfile: { symlink: '..data/Dockerfile' },
      'run.sh': { symlink: '..data/run.sh' },
    });
    const rootfs = join(await unpackImage(bench, layout), 'rootfs');
    assert.equal(readFileSync(join(rootfs, 'output'), 'utf8'), 'from a configMap\n');
  });

  await suite.test('ENTRYPOINT clears a CMD of the base, unless the stage sets one', async (t) => {
    const bench = workbench(t);
    const lines = [`FROM ${base} AS with-cmd`, 'CMD ["inherited"]', 'FROM with-cmd'];
    const cleared = await bench.build({ Dockerfile: [...lines, 'ENTRYPOINT ["/entry"]'].join('\n') });
    const kept = await bench.build({ Dockerfile: [...lines, 'CMD ["own"]', 'ENTRYPOINT ["/entry"]'].join('\n') });
    assert.deepEqual(readLayout(cleared.layout).config.config.Cmd ?? [], []);
    assert.deepEqual(readLayout(kept.layout).config.config.Cmd, ['own']);
  });

  await suite.test(
    'an error in the Dockerfile says file, line and what is there, and nothing is written',
    async (t) => {
      const bench = workbench(t);
      const { exitCode, stderr, digest } = await bench.tryBuild({ Dockerfile: `FROM ${base}\nRUNN echo x\n` });
      assert.equal(exitCode, 1);
      assert.match(stderr, /unknown instruction: RUNN \(did you mean RUN\?\)/);
      assert.match(stderr, /2 \| >>> RUNN echo x/);
      assert.doesNotMatch(stderr, /Usage:/);
      assert.equal(digest, '');
    },
  );
});

/** A web server that answers when so many have asked, or each alone after a minute; gives its port. */
async function meetingPlace(t: TestContext, guests: number): Promise<number> {
  const waiting: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    const alone = setTimeout(() => response.end('alone'), 60_000);
    response.once('close', () => clearTimeout(alone));
    waiting.push(response);
    if (waiting.length === guests) for (const each of waiting) each.end('met');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}
