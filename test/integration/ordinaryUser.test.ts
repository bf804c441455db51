/** A Dockerfile without RUN builds as a user without any capability; owners, modes, devices and attributes are in the image all the same. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { fromText } from '../../src/byteString.ts';
import { hasProgram } from '../bases/program.ts';
import { collect } from './collect.ts';
import { handmadeBase, tarOf, type HandmadeEntry } from './handmadeBase.ts';
import { readLayout, type TarLine } from './layoutImage.ts';
import { NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { KASANE, workbench } from './workbench.ts';

const POWERLESS = [
  'setpriv',
  '--reuid',
  '1000',
  '--regid',
  '1000',
  '--clear-groups',
  '--bounding-set',
  '-all',
  '--inh-caps=-all',
  '--no-new-privs',
];

/** `cap_net_raw+ep`, as the kernel keeps it. */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex').toString('latin1');

const SPECIAL: readonly HandmadeEntry[] = [
  { path: 'special', type: 'directory', mode: 0o1777, owner: [5, 6] },
  { path: 'special/null', type: 'character', device: [1, 3], mode: 0o666 },
  { path: 'special/disk', type: 'block', device: [8, 1], mode: 0o660, owner: [0, 6] },
  { path: 'special/fifo', type: 'fifo', mode: 0o600 },
  { path: 'special/setuid', content: 'program', mode: 0o4755 },
  { path: 'special/setgid', content: 'program', mode: 0o2755, owner: [1, 42] },
  { path: 'special/hard', type: 'hardlink', target: 'special/setuid' },
  { path: 'special/locked', content: 'nobody reads me', mode: 0o000, owner: [65534, 65534] },
  {
    path: 'special/ping',
    content: 'ping',
    mode: 0o755,
    xattrs: new Map([[fromText('security.capability'), fromLatin1(CAPABILITY)]]),
  },
];

const skip =
  process.getuid?.() !== 0
    ? 'needs root to become another user'
    : hasProgram('setpriv')
      ? NO_TEST_REGISTRY
      : 'needs setpriv';

test('a Dockerfile without RUN builds without root and without any capability', { skip: skip ?? false }, async (t) => {
  const registry = await testRegistry(t);
  const bench = workbench(t);
  chmodSync(bench.directory, 0o755);
  const base = await registry.push(
    await handmadeBase(bench, {
      layers: [
        [
          { path: 'etc', type: 'directory' },
          { path: 'etc/passwd', content: 'root:x:0:0::/root:/bin/sh\nweb:x:33:44::/web:/bin/sh\n' },
          { path: 'etc/group', content: 'root:x:0:\nweb:x:44:\n' },
          ...SPECIAL,
        ],
      ],
      config: { Env: ['PATH=/bin'] },
    }),
    'special:1',
  );
  const context = bench.files({
    Dockerfile: [
      `FROM ${base}`,
      'COPY --chown=web file /web/file',
      'COPY --chown=4242:4343 --chmod=6711 file /numbers',
      'ADD archive.tar /unpacked/',
      'WORKDIR /var/lib/app',
      'USER web',
      `COPY --from=${base} /special /copied`,
      'CMD ["/web/file"]',
    ].join('\n'),
    file: 'content',
    'archive.tar': await collect(tarOf(SPECIAL)),
  });
  const home = bench.path('user');
  mkdirSync(home);
  chownSync(home, 1000, 1000);
  const layout = `${home}/layout`;
  const { exitCode, stderr } = await bench.run([
    ...POWERLESS,
    KASANE,
    'build',
    '--insecure',
    '--insecure-pull',
    `--kaniko-dir=${home}/data`,
    `--oci-layout-path=${layout}`,
    `--destination=${registry.host}/ordinary:1`,
    `--digest-file=${home}/digest`,
    context,
  ]);
  assert.equal(exitCode, 0, stderr);

  const image = readLayout(layout);
  const base0 = image.layer(0).map(withoutTime);
  const added = image.manifest.layers.slice(1).flatMap((_layer, index) => image.layer(index + 1).map(withoutTime));
  const find = (path: string): Line | undefined => added.find((line) => line.path === path);

  await t.test('owners by name come from the image’s passwd, modes from --chmod', () => {
    assert.deepEqual(find('web/file'), { path: 'web/file', mode: '-rw-r--r--', owner: '33/44', size: '7' });
    assert.deepEqual(find('numbers'), { path: 'numbers', mode: '-rws--s--x', owner: '4242/4343', size: '7' });
    assert.deepEqual(find('var/lib/app'), { path: 'var/lib/app', mode: 'drwxr-xr-x', owner: '0/0', size: '0' });
  });

  for (const [where, prefix] of [
    ['an unpacked archive', 'unpacked/special/'],
    ['COPY --from of an image', 'copied/'],
  ] as const) {
    await t.test(`${where} keeps devices, fifos, setuid bits, hard links and what only root may read`, () => {
      for (const line of base0.filter(({ path }) => path.startsWith('special/'))) {
        const path = line.path.replace('special/', prefix);
        if (!/\/(?:hard|setuid)$/.test(path)) assert.deepEqual(find(path), { ...line, path });
      }
      const [file, link] = [find(`${prefix}hard`), find(`${prefix}setuid`)];
      assert.deepEqual(file, { path: `${prefix}hard`, mode: '-rwsr-xr-x', owner: '0/0', size: '7' });
      assert.equal(link?.target, `${prefix}hard`);
    });
  }

  await t.test('file capabilities are kept', async () => {
    for (const [index, path] of [
      [3, 'unpacked/special/ping'],
      [image.manifest.layers.length - 1, 'copied/ping'],
    ] as const) {
      const { digest } = image.manifest.layers[index] ?? { digest: '' };
      const { stdout } = await bench.run([
        'tar',
        '--list',
        '--verbose',
        '--verbose',
        '--xattrs',
        '--xattrs-include=*',
        '-f',
        `${layout}/blobs/sha256/${digest.slice('sha256:'.length)}`,
        path,
      ]);
      assert.match(stdout, /security\.capability/);
    }
  });

  await t.test('a RUN needs more, and the error says what', async () => {
    const withRun = bench.files({ Dockerfile: `FROM ${base}\nRUN true\n` });
    const failed = await bench.run([
      ...POWERLESS,
      KASANE,
      'build',
      '--insecure-pull',
      '--no-push',
      '--isolation=none',
      `--kaniko-dir=${home}/data`,
      withRun,
    ]);
    assert.notEqual(failed.exitCode, 0);
    assert.match(failed.stderr, /RUN/);
    assert.match(failed.stderr, /isolation/);
  });
});

type Line = Omit<TarLine, 'time'>;

function withoutTime({ time: _time, ...line }: TarLine): Line {
  return line;
}

function fromLatin1(text: string): ReturnType<typeof fromText> {
  return text as ReturnType<typeof fromText>;
}
