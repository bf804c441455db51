/**
 * RUN without the right to mount: as an ordinary user with and without a range of ids, as root with a container's capabilities,
 * and in a user namespace that is there already. What comes out is what root builds.
 */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { busyboxBase, debianBase } from '../bases/bases.ts';
import { hasProgram } from '../bases/program.ts';
import { DOCKER_CAPABILITIES } from './runContainer.ts';
import { readLayout } from './layoutImage.ts';
import { NO_TEST_USER, testUser, type TestUser } from './subordinateUser.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { KASANE, workbench, type Built, type BuildSettings, type Workbench } from './workbench.ts';

/** Root as a container engine leaves it. */
const CONTAINED = [
  'setpriv',
  `--bounding-set=-all,${DOCKER_CAPABILITIES.map((name) => `+${name.toLowerCase()}`).join(',')}`,
  '--inh-caps=-all',
  '--',
];

const ENTERED = /RUN is executed in a user namespace/;

const skip = NO_TEST_USER ?? NO_TEST_REGISTRY ?? (hasProgram('unshare') ? false : 'needs unshare');

/** A data directory that belongs to a user. */
function dataOf(bench: Workbench, uid: number): string {
  chmodSync(bench.directory, 0o777);
  const directory = bench.path('data');
  mkdirSync(directory);
  chownSync(directory, uid, uid);
  return directory;
}

function asUser(bench: Workbench, user: TestUser, more: BuildSettings = {}): BuildSettings {
  return { dataDirectory: dataOf(bench, user.uid), prefix: user.prefix, ...more };
}

async function assertSameImage(bench: Workbench, a: Built, b: Built): Promise<void> {
  const { exitCode, stdout, stderr } = await bench.run([
    KASANE,
    'imagediff',
    `oci:${a.layout}:latest`,
    `oci:${b.layout}:latest`,
  ]);
  assert.equal(exitCode, 0, `${stdout}${stderr}`);
}

/** Whether somebody else can read this checkout. */
async function isOutOfReach(t: TestContext, bench: Workbench, user: TestUser): Promise<boolean> {
  const { exitCode } = await bench.run([...user.prefix, KASANE, 'version']);
  if (exitCode !== 0) t.skip('needs a checkout that other users can read');
  return exitCode !== 0;
}

test('RUN without the right to mount', { skip }, async (suite) => {
  const busybox = layoutOf(suite, await busyboxBase());
  if (busybox === undefined) return;
  const registry = await testRegistry(suite);
  const base = await registry.push(busybox, 'busybox:latest');
  const ranged = testUser(suite, 'range');
  const single = testUser(suite, 'none');
  if (await isOutOfReach(suite, workbench(suite), ranged)) return;

  /** Owners, whiteouts, a replaced directory, a RUN as somebody else, files of other steps in between. */
  const EVERYTHING = {
    Dockerfile: [
      `FROM ${base}`,
      'RUN mkdir -p /a/b && touch /a/b/c /own && chown 5:6 /a/b && chown 65533:65534 /own && chmod 4755 /own',
      'RUN rm -rf /home && mkdir /home && echo new > /home/x && rm /a/b/c && mv /a/b /a/moved && mknod /fifo p',
      'COPY --chown=33:44 --chmod=640 file /a/',
      'RUN echo more >> /a/file && chgrp 7 /a/file && ln -s nowhere /l && chown -h 8:9 /l',
      'USER 1000:50',
      'WORKDIR /tmp/work',
      'RUN id -u > uid && id -G > groups && test ! -w /own && ! touch /etc/x',
    ].join('\n'),
    file: 'content\n',
  };
  const asRoot = await workbench(suite).build(EVERYTHING);
  assert.doesNotMatch(asRoot.stderr, ENTERED);

  const PLACES: readonly (readonly [
    where: string,
    entered: RegExp | undefined,
    settings: (bench: Workbench) => BuildSettings,
  ])[] = [
    [
      'an ordinary user with a range of ids',
      /with the ids 0-65536 and groups 0-65536$/m,
      (bench) => asUser(bench, ranged),
    ],
    ["root with a container's capabilities", /with the ids 0-\d+ and groups/, () => ({ prefix: CONTAINED })],
    [
      'root of a user namespace',
      undefined,
      (bench) =>
        asUser(bench, ranged, {
          prefix: [...ranged.prefix, 'unshare', '--user', '--map-root-user', '--map-auto', '--'],
        }),
    ],
    [
      "root of a user namespace, with a container's capabilities",
      /with the ids 0-65535 and groups 0-65535$/m,
      (bench) =>
        asUser(bench, ranged, {
          prefix: [...ranged.prefix, 'unshare', '--user', '--map-root-user', '--map-auto', '--', ...CONTAINED],
        }),
    ],
    [
      'root of a container whose /proc is masked',
      /with the ids/,
      () => ({ prefix: ['unshare', '--mount', 'sh', '-c', MASKED, 'sh', ...CONTAINED] }),
    ],
  ];
  const MASKED =
    'mount --bind /dev/null /proc/timer_list && mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec "$@"';

  for (const [where, entered, settings] of PLACES) {
    await suite.test(`${where} builds what root builds, and leaves nothing but the cache`, async (t) => {
      const bench = workbench(t);
      const options = settings(bench);
      const built = await bench.build(EVERYTHING, options);
      if (entered === undefined) assert.doesNotMatch(built.stderr, ENTERED);
      else assert.match(built.stderr, entered);
      assert.doesNotMatch(built.stderr, /plain directory/);
      await assertSameImage(bench, asRoot, built);
      const data = options.dataDirectory ?? join(bench.directory, 'data');
      assert.deepEqual(readdirSync(join(data, 'builds')), []);
      assert.ok(!existsSync(join(data, 'layers')), 'layers with other owners on disk lie apart');
      // Layers that were unpacked before are used again.
      await assertSameImage(bench, asRoot, await bench.build(EVERYTHING, options));
    });
  }

  await suite.test('nothing of the way into the namespace is seen by a command', async (t) => {
    const bench = workbench(t);
    const { layout } = await bench.build(
      { Dockerfile: `FROM ${base}\nRUN env > /env && tr '\\0' '\\n' < /proc/self/environ >> /env\n` },
      asUser(bench, ranged, { env: { SECRET_TOKEN: 'hunter2' } }),
    );
    const seen = readLayout(layout).text(-1, 'env');
    assert.doesNotMatch(seen, /KASANE|NODE_|OPENSSL|hunter2/);
    assert.match(seen, /^PATH=/m);
  });

  await suite.test('a single id is enough for what is all root’s, and other owners stay as they were', async (t) => {
    const bench = workbench(t);
    const { stderr, layout } = await bench.build(
      {
        Dockerfile: [
          `FROM ${base}`,
          'COPY --chown=33:44 --chmod=4755 file /theirs',
          'RUN echo hi > /mine && echo more >> /theirs && rm -rf /home && mkdir /home',
        ].join('\n'),
        file: 'content\n',
      },
      asUser(bench, single),
    );
    assert.match(stderr, /a single id, 0: \/etc\/subuid has no range for user kasane-test-/);
    const image = readLayout(layout);
    const lines = (layer: number): string[] => image.layer(layer).map(({ path, owner }) => `${path} ${owner}`);
    assert.deepEqual(lines(-2), ['theirs 33/44']);
    assert.ok(
      ['mine 0/0', 'theirs 33/44'].every((line) => lines(-1).includes(line)),
      lines(-1).join(),
    );
  });

  await suite.test('a RUN that needs more than a single id says why it failed and what would help', async (t) => {
    const bench = workbench(t);
    const settings = asUser(bench, single);
    const chown = await bench.tryBuild({ Dockerfile: `FROM ${base}\nRUN touch /x\nRUN chown 5:5 /x\n` }, settings);
    assert.equal(chown.exitCode, 1);
    assert.match(chown.stderr, /3 \| >>> RUN chown 5:5/);
    assert.match(chown.stderr, /single id, 0: .*\/etc\/subuid.*newuidmap/s);
    const user = await bench.tryBuild({ Dockerfile: `FROM ${base}\nUSER 1000\nRUN true\n` }, settings);
    assert.equal(user.exitCode, 1);
    assert.match(user.stderr, /user 1000 and group 1000 can't be executed.*has only the users 0 .*newuidmap/s);
  });

  await suite.test('without RUN no namespace is asked for', async (t) => {
    const bench = workbench(t);
    const programs = bench.path('programs');
    mkdirSync(programs);
    writeFileSync(join(programs, 'unshare'), '#!/bin/sh\necho unshare was called >&2\nexit 1\n', { mode: 0o755 });
    const context = { Dockerfile: `FROM ${base}\nCOPY file /\n`, file: 'x' };
    const env = { PATH: `${programs}:${process.env['PATH']}` };
    const settings = asUser(bench, ranged, {
      prefix: [...ranged.prefix.slice(0, -1), '--no-new-privs', '--bounding-set=-all', '--'],
      flags: ['--verbosity=debug'],
      env,
    });
    const { stderr } = await bench.build(context, settings);
    assert.doesNotMatch(stderr, /namespace|unshare was called/);
    const refused = await bench.tryBuild({ Dockerfile: `FROM ${base}\nRUN true\n` }, settings);
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.stderr, /user namespace was refused as well: unshare was called/);
  });

  await suite.test('a RUN that only the base image knows of is executed too', async (t) => {
    const bench = workbench(t);
    const onbuild = `${registry.host}/onbuild:1`;
    await bench.build(
      { Dockerfile: `FROM ${base}\nONBUILD RUN id -u > /read\n` },
      { flags: [`--destination=${onbuild}`] },
    );
    const settings = asUser(bench, ranged);
    const { stderr, layout } = await bench.build({ Dockerfile: `FROM ${onbuild}\nCOPY file /\n`, file: 'x' }, settings);
    assert.match(stderr, ENTERED);
    assert.equal(readLayout(layout).text(-2, 'read'), '0\n');
  });

  await suite.test('what a killed build left of other ids is removed by a later one', async (t) => {
    const bench = workbench(t);
    const settings = asUser(bench, ranged);
    const data = settings.dataDirectory ?? '';
    const left = join(data, 'builds/build-left');
    mkdirSync(join(left, 'theirs'), { recursive: true });
    writeFileSync(join(left, 'theirs/file'), '');
    for (const path of [join(data, 'builds'), left]) chownSync(path, ranged.uid, ranged.uid);
    chownSync(join(left, 'theirs'), ranged.firstSubordinate + 4, ranged.firstSubordinate + 4);
    chmodSync(join(left, 'theirs'), 0);
    await bench.run(['touch', '-d', '3 days ago', left]);
    const without = await bench.build({ Dockerfile: `FROM ${base}\nCOPY Dockerfile /\n` }, settings);
    assert.doesNotMatch(without.stderr, ENTERED);
    await bench.run(['touch', '-d', '3 days ago', left]);
    await bench.build({ Dockerfile: `FROM ${base}\nRUN true\n` }, settings);
    assert.deepEqual(readdirSync(join(data, 'builds')), []);
  });

  await suite.test('Debian: apt, useradd, chown, setcap and USER give what they give root', async (t) => {
    const debian = layoutOf(t, await debianBase());
    if (debian === undefined) return;
    const bench = workbench(t);
    const context = {
      Dockerfile: [
        `FROM ${await registry.push(debian, 'debian:bookworm')}`,
        'RUN apt-get update && apt-get install -y --no-install-recommends libcap2-bin hello && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/ldconfig/aux-cache /var/log/*',
        'RUN useradd --create-home --uid 1234 web && mkdir -p /srv/www && chown -R web:www-data /srv/www && chmod 2775 /srv/www',
        'RUN cp /usr/bin/hello /usr/local/bin/bound && setcap cap_net_bind_service+ep /usr/local/bin/bound',
        'RUN rm -rf /usr/share/doc && mkdir /usr/share/doc && touch /usr/share/doc/x && chown nobody:nogroup /usr/share/doc/x',
        'USER web:www-data',
        'WORKDIR /home/web',
        'RUN bound > greeting',
      ].join('\n'),
    };
    const [root, user] = [await bench.build(context), await bench.build(context, asUser(bench, ranged))];
    assert.match(user.stderr, ENTERED);
    await assertSameImage(bench, root, user);
  });
});
