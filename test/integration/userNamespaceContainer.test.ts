/** kasane's own image in containers that may not mount but may make user namespaces, as pods with an unconfined seccomp profile. */
import assert from 'node:assert/strict';
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { busyboxBase } from '../bases/bases.ts';
import { hasProgram, runProgram } from '../bases/program.ts';
import { runContainer, type ContainerSettings } from './runContainer.ts';
import { NO_RUNTIME } from './runImage.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { KASANE, workbench, type Ended, type Workbench } from './workbench.ts';
import type { Files } from './writeFiles.ts';

const ROOT = join(import.meta.dirname, '../..');

const skip =
  NO_RUNTIME ??
  NO_TEST_REGISTRY ??
  (existsSync('/etc/debian_version') ? undefined : 'needs Debian') ??
  ['patchelf', 'strip'].map((name) => (hasProgram(name) ? undefined : `needs ${name}`)).find(Boolean) ??
  false;

let directory: string;
let bundle: string;

/** Builds in a container; the volume and what comes out belong to `uid`. */
async function buildInContainer(
  bench: Workbench,
  files: Files,
  { flags = [], ...settings }: Partial<ContainerSettings> & { readonly flags?: readonly string[] } = {},
): Promise<Ended & { readonly layout: string }> {
  const out = bench.path('out');
  const volume = bench.path('volume');
  for (const path of [out, volume]) {
    mkdirSync(path);
    chownSync(path, settings.uid ?? 0, settings.uid ?? 0);
  }
  const ended = await runContainer(bench, bundle, {
    seccomp: false,
    ...settings,
    args: [
      '/kaniko/executor',
      '--no-push',
      '--insecure-pull',
      '--context=/workspace',
      '--oci-layout-path=/out/layout',
      '--verbosity=debug',
      ...flags,
    ],
    binds: [
      { source: bench.files(files), target: '/workspace', readOnly: true },
      { source: volume, target: '/volume' },
      { source: out, target: '/out' },
    ],
  });
  return { ...ended, layout: join(out, 'layout') };
}

async function basedOn(t: TestContext): Promise<string | undefined> {
  const layout = layoutOf(t, await busyboxBase());
  return layout === undefined ? undefined : (await testRegistry(t)).push(layout, 'busybox:latest');
}

const script = (base: string): Files => ({
  Dockerfile: [
    `FROM ${base}`,
    'RUN mkdir -p /a/b && touch /a/b/c && chown 5:65533 /a/b && chmod 4755 /a/b/c',
    'RUN rm -rf /home && mkdir /home && echo new > /home/x && mv /a/b /a/moved',
    'USER 1000:50',
    'RUN id -u > /tmp/uid && ! touch /etc/x && test -c /dev/null && test -r /proc/self/status && ! echo 1 2>/dev/null > /proc/sys/kernel/panic',
  ].join('\n'),
});

describe('in a container that may not mount', { skip }, () => {
  before(() => {
    directory = mkdtempSync('/var/tmp/kasane-test-image-');
    const layout = join(directory, 'layout');
    bundle = join(directory, 'bundle');
    runProgram(join(ROOT, 'bin/node'), [join(ROOT, 'scripts/image.ts'), '--oci-layout', layout]);
    runProgram('umoci', ['unpack', '--image', `${layout}:latest`, bundle]);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const PLACES = [
    ['a volume', ['--kaniko-dir=/volume'], /on an overlay/],
    ["the container's own overlay, where no other can lie", [], /on a directory: /],
  ] as const;
  for (const [where, flags, how] of PLACES) {
    test(`root with Docker's capabilities builds what privileged root builds, on ${where}`, async (t) => {
      const base = await basedOn(t);
      if (base === undefined) return;
      const bench = workbench(t);
      const [expected, built] = [
        await bench.build(script(base)),
        await buildInContainer(bench, script(base), { flags: [...flags] }),
      ];
      assert.equal(built.exitCode, 0, built.stderr);
      assert.match(built.stderr, /in a user namespace with the ids 0-\d+ and groups/);
      assert.match(built.stderr, how);
      const compared = await bench.run([KASANE, 'imagediff', `oci:${expected.layout}`, `oci:${built.layout}`]);
      assert.equal(compared.exitCode, 0, compared.stdout);
    });
  }

  test('a user without any capability runs what is all root’s, and reads why the rest fails', async (t) => {
    const base = await basedOn(t);
    if (base === undefined) return;
    const bench = workbench(t);
    const nobody = { uid: 1000, capabilities: [], flags: ['--kaniko-dir=/volume'] };
    const works = await buildInContainer(bench, { Dockerfile: `FROM ${base}\nRUN rm -rf /home && id > /id\n` }, nobody);
    assert.equal(works.exitCode, 0, works.stderr);
    assert.match(works.stderr, /a single id, 0: \/etc\/subuid has no range for user 1000/);
    const fails = await buildInContainer(bench, { Dockerfile: `FROM ${base}\nRUN chown 5:5 /bin\n` }, nobody);
    assert.equal(fails.exitCode, 1);
    assert.match(fails.stderr, /single id.*newuidmap/s);
  });
});
