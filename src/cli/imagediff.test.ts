import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { fromText, type ByteString } from '../byteString.ts';
import { NO_XATTRS, type TarHeader } from '../tar/header.ts';
import { encodeTarHeader, TAR_END, tarPadding } from '../tar/writer.ts';
import { run } from './imagediff.ts';

type File = Partial<Omit<TarHeader, 'path' | 'linkTarget'>> & {
  path: string;
  linkTarget?: string;
  text?: string | Buffer;
};

function tarOf(...files: readonly File[]): Buffer {
  const parts = files.flatMap(({ text = '', path, linkTarget = '', ...fields }) => {
    const header: TarHeader = {
      type: 'file',
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: { seconds: 1, nanoseconds: 0 },
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: NO_XATTRS,
      ...fields,
      path: fromText(path),
      linkTarget: fromText(linkTarget),
      size: text.length,
    };
    return [encodeTarHeader(header), Buffer.from(text), tarPadding(text.length)];
  });
  return Buffer.concat([...parts, TAR_END]);
}

const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

function configOf(layers: readonly Buffer[], config: object = {}): string {
  return JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`) },
    ...config,
  });
}

/** As docker save writes it. */
function dockerArchive(layers: readonly Buffer[], config: object = {}): Buffer {
  return tarOf(
    { path: 'config.json', text: configOf(layers, config) },
    ...layers.map((layer, index) => ({ path: `${index}/layer.tar`, text: layer })),
    {
      path: 'manifest.json',
      text: JSON.stringify([
        { Config: 'config.json', RepoTags: ['a/b:c'], Layers: layers.map((_layer, index) => `${index}/layer.tar`) },
      ]),
    },
  );
}

function writeLayout(directory: string, layers: readonly Buffer[], compress: (layer: Buffer) => Buffer): void {
  mkdirSync(join(directory, 'blobs/sha256'), { recursive: true });
  const put = (bytes: Buffer | string): { digest: string; size: number } => {
    writeFileSync(join(directory, 'blobs/sha256', sha256(bytes)), bytes);
    return { digest: `sha256:${sha256(bytes)}`, size: bytes.length };
  };
  const oci = 'application/vnd.oci.image';
  const manifest = {
    schemaVersion: 2,
    config: { mediaType: `${oci}.config.v1+json`, ...put(configOf(layers)) },
    layers: layers.map((layer) => ({ mediaType: `${oci}.layer.v1.tar`, ...put(compress(layer)) })),
  };
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        mediaType: `${oci}.manifest.v1+json`,
        ...put(JSON.stringify(manifest)),
        annotations: { 'org.opencontainers.image.ref.name': 'tag' },
      },
    ],
  };
  writeFileSync(join(directory, 'index.json'), JSON.stringify(index));
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-imagediff-test-'));
  t.after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

async function imagediff(...argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const code = await run(argv, {
    stdout: { write: (text) => stdout.push(text) },
    stderr: { write: (text) => stderr.push(text) },
    environment: {},
  });
  return { code, stdout: stdout.join(''), stderr: stderr.join('') };
}

interface Json {
  readonly rootfs: {
    path: string;
    kind: string;
    below?: number;
    fields?: { field: string; a: unknown; b: unknown }[];
  }[];
  readonly configuration: { field: string; a: unknown; b: unknown }[];
  readonly equal: boolean;
}

async function compare(
  t: TestContext,
  a: readonly Buffer[],
  b: readonly Buffer[],
  options: { readonly flags?: readonly string[]; readonly configs?: readonly [object, object] } = {},
): Promise<Json> {
  const directory = temporary(t);
  writeFileSync(join(directory, 'a.tar'), dockerArchive(a, options.configs?.[0]));
  writeFileSync(join(directory, 'b.tar'), dockerArchive(b, options.configs?.[1]));
  const archives = ['a.tar', 'b.tar'].map((name) => `docker-archive:${join(directory, name)}`);
  const { code, stdout, stderr } = await imagediff('--json', ...(options.flags ?? []), ...archives);
  assert.equal(stderr, '');
  const result = JSON.parse(stdout) as Json;
  assert.equal(code, result.equal ? 0 : 1);
  return result;
}

const directory = { path: 'd', type: 'directory', mode: 0o755 } as const;
const file = { path: 'd/f', text: 'x' };

const DIFFERENT: readonly [what: string, a: File[], b: File[], path: string, fields: string[], flags?: string[]][] = [
  ['a type', [directory], [{ path: 'd', mode: 0o755 }], 'd', ['type']],
  ['a mode', [file], [{ ...file, mode: 0o4755 }], 'd/f', ['mode']],
  ['an owner', [file], [{ ...file, uid: 5 }], 'd/f', ['owner']],
  ['a content of the same size', [file], [{ ...file, text: 'y' }], 'd/f', ['content']],
  ['a size', [file], [{ ...file, text: 'xx' }], 'd/f', ['size', 'content']],
  [
    'a link target',
    [{ path: 'l', type: 'symlink', linkTarget: 'a' }],
    [{ path: 'l', type: 'symlink', linkTarget: 'b' }],
    'l',
    ['target'],
  ],
  [
    'a device number',
    [{ path: 'n', type: 'character', deviceMajor: 1, deviceMinor: 3 }],
    [{ path: 'n', type: 'character', deviceMajor: 1, deviceMinor: 5 }],
    'n',
    ['device'],
  ],
  [
    'an xattr',
    [file],
    [{ ...file, xattrs: new Map([['user.a' as ByteString, '\xff' as ByteString]]) }],
    'd/f',
    ['xattr user.a'],
  ],
  ['a time, if asked', [file], [{ ...file, mtime: { seconds: 1, nanoseconds: 5 } }], 'd/f', ['mtime'], ['--mtime']],
];

for (const [what, a, b, path, fields, flags = []] of DIFFERENT) {
  test(`${what} that differs is found`, async (t) => {
    const result = await compare(t, [tarOf(...a)], [tarOf(...b)], { flags });
    assert.deepEqual(
      result.rootfs.map((found) => [found.path, found.fields?.map(({ field }) => field)]),
      [[path, fields]],
    );
  });
}

test('a broken hard link is found at each of its names, a copy is not taken for it', async (t) => {
  const linked = tarOf(file, { path: 'd/g', type: 'hardlink', linkTarget: 'd/f' });
  const copied = tarOf(file, { ...file, path: 'd/g' });
  const { rootfs } = await compare(t, [linked], [copied]);
  const fields = [{ field: 'hard links', a: 'd/f = d/g', b: null }];
  assert.deepEqual(rootfs, [
    { kind: 'changed', path: 'd/f', fields },
    { kind: 'changed', path: 'd/g', fields },
  ]);
});

test('the same file system in other layers is equal: whiteouts, replaced files, other order and times', async (t) => {
  const one = [tarOf(directory, file)];
  const other = [
    tarOf(directory, { path: 'd/gone', text: 'z' }, { ...file, text: 'old', mode: 0o600 }),
    tarOf({ ...file, mtime: { seconds: 99, nanoseconds: 0 } }, { path: 'd/.wh.gone' }),
  ];
  const result = await compare(t, one, other);
  assert.deepEqual(result, { rootfs: [], configuration: [], equal: true });
  const { configuration } = await compare(t, one, other, { flags: ['--layers'] });
  assert.deepEqual(configuration, [{ field: 'number of layers', a: '1', b: '2' }]);
});

test('a directory that one image lacks is one line', async (t) => {
  const result = await compare(t, [tarOf()], [tarOf(directory, file, { ...file, path: 'd/g' })]);
  assert.deepEqual(result.rootfs, [{ kind: 'only-in-b', path: 'd', type: 'directory', below: 2 }]);
});

test('ignored paths are not compared, also not as names of a hard link', async (t) => {
  const a = tarOf(directory, file, { path: 'd/sub/x', text: '1' }, { path: 'keep', text: '1' });
  const b = tarOf(
    directory,
    file,
    { path: 'd/sub/x', type: 'hardlink', linkTarget: 'd/f' },
    { path: 'keep', text: '2' },
  );
  const { rootfs } = await compare(t, [a], [b], { flags: ['--ignore', '/d/sub', '--ignore', 'nothing/**'] });
  assert.deepEqual(
    rootfs.map(({ path }) => path),
    ['keep'],
  );
});

test('names that are no text and control characters come escaped', async (t) => {
  const { rootfs } = await compare(t, [tarOf()], [tarOf({ path: 'a\x1b[31m\n' })]);
  assert.equal(rootfs[0]?.path, 'a\\x1b[31m\\x0a');
});

test('configurations are compared by what they mean', async (t) => {
  const left = {
    created: '2020-01-01T00:00:00Z',
    config: {
      Env: ['A=1', 'B=2'],
      Cmd: ['x'],
      Entrypoint: null,
      Labels: { l: '1' },
      Volumes: { '/v': {} },
      Hostname: '',
    },
    history: [{ created_by: 'one' }],
  };
  const right = {
    created: '2021-01-01T00:00:00Z',
    config: { Env: ['A=1', 'B=3', 'C'], Cmd: ['x'], Labels: { l: '1', m: '2' }, User: 'app' },
    history: [{ created_by: 'two' }],
  };
  const { configuration } = await compare(t, [tarOf()], [tarOf()], { configs: [left, right] });
  assert.deepEqual(configuration, [
    { field: 'config.Env.B', a: '2', b: '3' },
    { field: 'config.Env.C', a: null, b: '' },
    { field: 'config.Labels.m', a: null, b: '2' },
    { field: 'config.User', a: null, b: 'app' },
    { field: 'config.Volumes./v', a: 'set', b: null },
  ]);
  const more = await compare(t, [tarOf()], [tarOf()], { configs: [left, right], flags: ['--history', '--mtime'] });
  assert.deepEqual(
    more.configuration.map(({ field }) => field).filter((field) => !field.startsWith('config.')),
    ['created', 'history[0]'],
  );
  const reordered = { config: { Env: ['B=2', 'A=1'] } };
  const order = await compare(t, [tarOf()], [tarOf()], { configs: [{ config: { Env: ['A=1', 'B=2'] } }, reordered] });
  assert.deepEqual(
    order.configuration.map(({ field }) => field),
    ['config.Env (order)'],
  );
});

test('layouts, archives of either kind, compressed or not, are read alike', async (t) => {
  const base = temporary(t);
  const layers = [tarOf(directory, file), tarOf({ path: 'd/g', type: 'hardlink', linkTarget: 'd/f' })];
  const path = (name: string): string => join(base, name);
  writeFileSync(path('docker.tar'), dockerArchive(layers));
  writeFileSync(path('docker.tar.gz'), gzipSync(dockerArchive(layers)));
  writeFileSync(path('docker.tar.zst'), zstdCompressSync(dockerArchive(layers)));
  writeLayout(path('gzip'), layers, gzipSync);
  writeLayout(path('zstd'), layers, zstdCompressSync);
  const names = [
    `docker-archive:${path('docker.tar.gz')}`,
    `docker-archive:${path('docker.tar')}:a/b:c`,
    path('docker.tar.zst'),
    `oci:${path('gzip')}`,
    `oci:${path('zstd')}:tag`,
    path('zstd'),
  ];
  for (const name of names) {
    assert.deepEqual(await imagediff(path('docker.tar'), name), { code: 0, stdout: 'No differences\n', stderr: '' });
  }
});

test('the text names both values and counts', async (t) => {
  const base = temporary(t);
  writeFileSync(join(base, 'a.tar'), dockerArchive([tarOf(file)]));
  writeFileSync(join(base, 'b.tar'), dockerArchive([tarOf({ ...file, mode: 0o600 }, { path: 'new', text: '' })]));
  const { code, stdout } = await imagediff(join(base, 'a.tar'), join(base, 'b.tar'));
  assert.equal(code, 1);
  assert.equal(
    stdout,
    [
      'Root file system',
      '  ~ d/f',
      '      mode: 0644 → 0600',
      '  + new (file only in B)',
      '2 paths differ, 0 configuration fields',
      '',
    ].join('\n'),
  );
});

const ERRORS: readonly [what: string, argv: string[], message: RegExp][] = [
  ['one image', ['a'], /compares two images, 1 were given/],
  ['a file that is not there', ['oci:/nonexistent', 'oci:/nonexistent'], /\/nonexistent does not exist/],
  ['a bad reference', ['A B', 'a'], /not an image reference/],
  ['an unknown flag', ['--unknown', 'a', 'b'], /unknown flag/],
  ['a broken pattern', ['--ignore', '[', 'a', 'b'], /syntax error in pattern/],
];

for (const [what, argv, message] of ERRORS) {
  test(`${what} ends with 2 and a sentence`, async () => {
    const { code, stdout, stderr } = await imagediff(...argv);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, message);
  });
}

test('a layer that is not what the configuration says is an error, not a difference', async (t) => {
  const base = temporary(t);
  const layer = tarOf(file);
  writeFileSync(join(base, 'a.tar'), dockerArchive([layer]));
  const wrong = { rootfs: { type: 'layers', diff_ids: [`sha256:${sha256('other')}`] } };
  writeFileSync(join(base, 'b.tar'), dockerArchive([layer], wrong));
  const { code, stderr } = await imagediff(join(base, 'a.tar'), join(base, 'b.tar'));
  assert.equal(code, 2);
  assert.match(stderr, /its diffID is/);
});
