import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { fromText } from '../byteString.ts';
import { NO_XATTRS, type TarHeader } from '../tar/header.ts';
import { encodeTarHeader, TAR_END, tarPadding } from '../tar/writer.ts';
import { openBuildContext, type BuildContext } from './buildContext.ts';
import { findDockerfile, readIgnoreFile } from './dockerfile.ts';

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-context-'));
  t.after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

function open(directory: string, context: string, more: object = {}): Promise<BuildContext> {
  return openBuildContext({ context, cwd: directory, scratchDirectory: join(directory, 'scratch'), ...more });
}

function header(path: string, fields: Partial<TarHeader> = {}): TarHeader {
  return {
    type: 'file',
    path: fromText(path),
    mode: 0o644,
    uid: 1234,
    gid: 1234,
    size: 0,
    mtime: { seconds: 1_500_000_000, nanoseconds: 0 },
    linkTarget: fromText(''),
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: NO_XATTRS,
    ...fields,
  };
}

function tarOf(...entries: readonly (TarHeader | [TarHeader, string])[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    const [fields, text] = Array.isArray(entry) ? entry : [entry, ''];
    parts.push(encodeTarHeader({ ...fields, size: text.length }), Buffer.from(text), tarPadding(text.length));
  }
  return Buffer.concat([...parts, TAR_END]);
}

test('a directory is used where it lies, also through a link, with dir:// and with a sub-path', async (t) => {
  const directory = temporary(t);
  mkdirSync(join(directory, 'ctx/sub'), { recursive: true });
  symlinkSync('ctx', join(directory, 'link'));
  for (const [context, subPath, expected] of [
    ['ctx', undefined, 'ctx'],
    ['link', undefined, 'ctx'],
    ['dir://ctx', undefined, 'ctx'],
    [join(directory, 'ctx'), 'sub', 'ctx/sub'],
  ] as const) {
    const opened = await open(directory, context, { subPath });
    assert.equal(opened.directory, join(directory, expected));
  }
});

const REFUSED: readonly [context: string, code: string, message: RegExp][] = [
  ['', 'CONTEXT_MISSING', /^please specify a path to the build context with the --context flag or a bucket with/],
  ['http://host/x', 'CONTEXT_UNKNOWN', /^unknown build context prefix provided, please use one of the following: gs:/],
  ['gs://bucket', 'CONTEXT_UNSUPPORTED', /gs:/],
  ['s3://bucket', 'CONTEXT_UNSUPPORTED', /s3:/],
  ['git://host/x', 'CONTEXT_UNSUPPORTED', /git:/],
  ['https://host/x', 'CONTEXT_UNSUPPORTED', /https:/],
  ['missing', 'CONTEXT_NOT_FOUND', /missing does not exist/],
  ['tar://missing.tar', 'CONTEXT_NOT_FOUND', /missing.tar/],
];

for (const [context, code, message] of REFUSED) {
  test(`the context ${JSON.stringify(context)} is refused with ${code}`, async (t) => {
    await assert.rejects(open(temporary(t), context), { code, message });
  });
}

for (const [name, compress] of [
  ['plain', (bytes: Buffer) => bytes],
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
] as const) {
  test(`an archive, ${name}, is unpacked with links, modes and times and removed in the end`, async (t) => {
    const directory = temporary(t);
    const source = join(directory, 'source');
    mkdirSync(join(source, 'dir'), { recursive: true });
    writeFileSync(join(source, 'dir/file'), 'content', { mode: 0o640 });
    linkSync(join(source, 'dir/file'), join(source, 'hard'));
    symlinkSync('dir/file', join(source, 'soft'));
    execFileSync('touch', ['-d', '@1500000000.123456789', join(source, 'dir/file'), join(source, 'dir')]);
    const archive = execFileSync('tar', ['--format=pax', '-C', source, '-c', '.'], { maxBuffer: 1 << 24 });
    writeFileSync(join(directory, 'context.tar'), compress(archive));
    const context = await open(directory, 'tar://context.tar');
    const at = (path: string): string => join(context.directory, path);
    assert.equal(readFileSync(at('dir/file'), 'utf8'), 'content');
    assert.equal(lstatSync(at('dir/file')).mode & 0o7777, 0o640);
    assert.equal(lstatSync(at('dir/file'), { bigint: true }).mtimeNs, 1500000000123456789n);
    assert.equal(lstatSync(at('dir'), { bigint: true }).mtimeNs, 1500000000123456789n);
    assert.equal(lstatSync(at('hard')).ino, lstatSync(at('dir/file')).ino);
    assert.equal(readlinkSync(at('soft')), 'dir/file');
    await context[Symbol.asyncDispose]();
    assert.deepEqual(readdirSync(join(directory, 'scratch')), []);
  });
}

test('an archive may come from stdin, but not from a terminal', async (t) => {
  const directory = temporary(t);
  const stdin = Readable.from([gzipSync(tarOf([header('Dockerfile'), 'FROM scratch']))]);
  const context = await open(directory, 'tar://stdin', { stdin });
  assert.equal(readFileSync(findDockerfile('Dockerfile', context, '/'), 'utf8'), 'FROM scratch');
  const terminal = Object.assign(Readable.from([]), { isTTY: true });
  await assert.rejects(open(directory, 'tar://stdin', { stdin: terminal }), /no data found/);
});

test('devices and fifos of an archive are left out', async (t) => {
  const directory = temporary(t);
  const stdin = Readable.from([
    tarOf(
      header('null', { type: 'character', deviceMajor: 1, deviceMinor: 3 }),
      header('f', { type: 'fifo' }),
      header('a'),
    ),
  ]);
  const context = await open(directory, 'tar://stdin', { stdin });
  assert.deepEqual(readdirSync(context.directory), ['a']);
});

test('a later entry replaces an earlier one, a link too, and never writes through it', async (t) => {
  const directory = temporary(t);
  const canary = join(directory, 'canary');
  writeFileSync(canary, 'untouched');
  const archive = tarOf(
    header('x', { type: 'symlink', linkTarget: fromText(canary) }),
    [header('x'), 'new'],
    header('d', { type: 'directory', mode: 0o755 }),
    [header('d/inner'), 'gone'],
    [header('d'), 'file now'],
  );
  const context = await open(directory, 'tar://stdin', { stdin: Readable.from([archive]) });
  assert.equal(readFileSync(join(context.directory, 'x'), 'utf8'), 'new');
  assert.equal(readFileSync(join(context.directory, 'd'), 'utf8'), 'file now');
  assert.equal(readFileSync(canary, 'utf8'), 'untouched');
});

const HOSTILE: readonly [what: string, ...entries: (TarHeader | [TarHeader, string])[]][] = [
  ['a name that leads up', [header('../canary'), 'owned']],
  ['a name that leads up in the middle', [header('a/../../canary'), 'owned']],
  [
    'a path through a link',
    header('up', { type: 'symlink', linkTarget: fromText('..') }),
    [header('up/canary'), 'owned'],
  ],
  ['a hard link up', header('x', { type: 'hardlink', linkTarget: fromText('../canary') }), [header('x'), 'owned']],
  [
    'a hard link through a link',
    header('up', { type: 'symlink', linkTarget: fromText('..') }),
    header('x', { type: 'hardlink', linkTarget: fromText('up/canary') }),
  ],
  ['a hard link to nothing', header('x', { type: 'hardlink', linkTarget: fromText('missing') })],
];

for (const [what, ...entries] of HOSTILE) {
  test(`an archive with ${what} is refused, and nothing outside changes`, async (t) => {
    const directory = temporary(t);
    const canary = join(directory, 'scratch/canary');
    mkdirSync(join(directory, 'scratch'));
    writeFileSync(canary, 'untouched');
    await assert.rejects(open(directory, 'tar://stdin', { stdin: Readable.from([tarOf(...entries)]) }), {
      code: 'CONTEXT_INVALID',
    });
    assert.equal(readFileSync(canary, 'utf8'), 'untouched');
    assert.deepEqual(readdirSync(join(directory, 'scratch')), ['canary']);
  });
}

test('an absolute name lands inside', async (t) => {
  const directory = temporary(t);
  const stdin = Readable.from([tarOf([header('/etc/kasane-test-canary'), 'x'])]);
  const context = await open(directory, 'tar://stdin', { stdin });
  assert.equal(readFileSync(join(context.directory, 'etc/kasane-test-canary'), 'utf8'), 'x');
  assert.equal(existsSync('/etc/kasane-test-canary'), false);
});

test('neither sub-path nor Dockerfile nor ignore file of an archive lead out of it', async (t) => {
  const directory = temporary(t);
  writeFileSync(join(directory, 'secret'), 'FROM secret');
  const archive = tarOf(
    header('sub', { type: 'symlink', linkTarget: fromText('/etc') }),
    header('Dockerfile', { type: 'symlink', linkTarget: fromText(join(directory, 'secret')) }),
    header('.dockerignore', { type: 'symlink', linkTarget: fromText(join(directory, 'secret')) }),
  );
  const stdin = (): Readable => Readable.from([archive]);
  await assert.rejects(open(directory, 'tar://stdin', { stdin: stdin(), subPath: 'sub' }), { code: 'CONTEXT_INVALID' });
  const context = await open(directory, 'tar://stdin', { stdin: stdin() });
  assert.throws(() => findDockerfile('Dockerfile', context, '/'), { code: 'CONTEXT_INVALID' });
  assert.throws(() => readIgnoreFile('/nowhere/Dockerfile', context), { code: 'CONTEXT_INVALID' });
});
