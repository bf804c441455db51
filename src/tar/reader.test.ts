import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ByteString } from '../byteString.ts';
import { fromBytes, fromText } from '../byteString.ts';
import { makeFifo, makeNode } from '../linux/mknod.ts';
import { readXattrs, setXattr } from '../linux/xattr.ts';
import { collectEntries } from './collectEntries.ts';
import type { TarHeader } from './header.ts';
import { NO_XATTRS } from './header.ts';

const CHUNK_SIZES = [1, 511, 512, 513, 65_536];
const isRoot = process.getuid?.() === 0;
const hasPython = spawnSync('python3', ['--version']).status === 0;
let directory = '';

before(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'kasane-tar-'));
});
after(() => fs.rmSync(directory, { recursive: true, force: true }));

/** What every format can hold. */
function makePlainTree(root: string): void {
  fs.mkdirSync(join(root, 'sub'), { recursive: true });
  fs.writeFileSync(join(root, 'a'), 'hello\n', { mode: 0o4755 });
  fs.chmodSync(join(root, 'a'), 0o4755);
  fs.linkSync(join(root, 'a'), join(root, 'b-hardlink'));
  fs.symlinkSync('../not there', join(root, 'sub/link'));
  fs.writeFileSync(join(root, 'empty'), '');
  fs.writeFileSync(join(root, 'block'), Buffer.alloc(512, 'x'));
  fs.writeFileSync(join(root, 'large'), Buffer.alloc(200_001, 'y'));
  fs.chmodSync(join(root, 'sub'), 0o1777);
  fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/n`), Buffer.from([0xff, 0xc3, 0x28])]), 'not UTF-8');
  for (const name of ['a', 'sub', 'large']) fs.utimesSync(join(root, name), 1_700_000_000, 1_600_000_000);
}

/** What ustar can hold. */
function makeUstarTree(root: string): void {
  makePlainTree(root);
  fs.mkdirSync(join(root, 'd'.repeat(90), 'e'.repeat(90)), { recursive: true });
  fs.writeFileSync(join(root, 'd'.repeat(90), 'e'.repeat(90), 'file'), 'prefix');
  makeFifo(join(root, 'fifo'), 0o640);
  if (!isRoot) return;
  makeNode(join(root, 'null'), 'character', 0o666, { major: 1, minor: 3 });
  makeNode(join(root, 'disk'), 'block', 0o660, { major: 259, minor: 70_000 });
  fs.chownSync(join(root, 'large'), 1000, 2000);
}

/** What GNU's format and PAX can hold. */
function makeLargeTree(root: string): void {
  makeUstarTree(root);
  const long = join(root, 'é'.repeat(100), 'f'.repeat(250));
  fs.mkdirSync(long, { recursive: true });
  fs.writeFileSync(join(long, 'g'.repeat(100)), 'long');
  fs.symlinkSync('t'.repeat(300), join(root, 'long-link'));
  fs.linkSync(join(long, 'g'.repeat(100)), join(root, 'zz-long-hardlink'));
  if (isRoot) fs.chownSync(join(root, 'empty'), 3_000_000, 4_000_000_000);
  fs.utimesSync(join(root, 'block'), 0, -86_400);
}

type Expected = Omit<TarHeader, 'path'> & { readonly sha256: string | undefined };

/** The tree as `lstat` tells it, by path; of hardlinks the first in the archive is the file. */
function expectTree(root: string, archived: readonly ByteString[], nanoseconds: boolean): Map<string, Expected> {
  const expected = new Map<string, Expected>();
  const firstOf = new Map<bigint, ByteString>();
  for (const path of archived) {
    const fsPath = Buffer.from(`${fromText(root)}/${path}`, 'latin1');
    const stat = fs.lstatSync(fsPath, { bigint: true });
    const first = stat.isDirectory() ? undefined : firstOf.get(stat.ino);
    firstOf.set(stat.ino, path);
    const type = first === undefined ? typeOf(stat) : 'hardlink';
    const target = type === 'symlink' ? fs.readlinkSync(fsPath, 'buffer') : Buffer.alloc(0);
    const seconds = Number(stat.mtimeNs - (((stat.mtimeNs % 10n ** 9n) + 10n ** 9n) % 10n ** 9n)) / 1e9;
    expected.set(path, {
      type,
      mode: Number(stat.mode & 0o7777n),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      size: type === 'file' ? Number(stat.size) : 0,
      mtime: { seconds, nanoseconds: nanoseconds ? Number(stat.mtimeNs - BigInt(seconds) * 10n ** 9n) : 0 },
      linkTarget: first ?? fromBytes(target),
      deviceMajor: type === 'character' ? 1 : type === 'block' ? 259 : 0,
      deviceMinor: type === 'character' ? 3 : type === 'block' ? 70_000 : 0,
      xattrs: NO_XATTRS,
      sha256: type === 'file' ? createHash('sha256').update(fs.readFileSync(fsPath)).digest('hex') : undefined,
    });
  }
  return expected;
}

function typeOf(stat: fs.BigIntStats): TarHeader['type'] {
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isCharacterDevice()) return 'character';
  return stat.isBlockDevice() ? 'block' : 'file';
}

function gnuTar(root: string, ...options: string[]): Buffer {
  const args = ['-c', '-C', root, '--sort=name', ...options, '.'];
  return execFileSync('tar', args, {
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, LC_ALL: 'C' },
  });
}

describe('an archive of GNU tar gives back the tree it was made of', () => {
  const formats = [
    { format: 'v7', make: makePlainTree, nanoseconds: false },
    { format: 'ustar', make: makeUstarTree, nanoseconds: false },
    { format: 'oldgnu', make: makeLargeTree, nanoseconds: false },
    { format: 'gnu', make: makeLargeTree, nanoseconds: false },
    { format: 'pax', make: makeLargeTree, nanoseconds: true },
  ];
  for (const { format, make, nanoseconds } of formats) {
    test(format, () => {
      const root = join(directory, format);
      make(root);
      const archive = gnuTar(root, `--format=${format}`);
      const whole = collectEntries(archive);
      const expected = expectTree(
        root,
        whole.map(({ header }) => header.path),
        nanoseconds,
      );
      for (const { header, sha256 } of whole) {
        const { path, ...rest } = header;
        assert.deepEqual({ ...rest, sha256: header.type === 'file' ? sha256 : undefined }, expected.get(path), path);
      }
      const listed = fs.readdirSync(root, { recursive: true, encoding: 'buffer' }).length + 1;
      assert.equal(whole.length, listed);
      for (const chunkSize of CHUNK_SIZES) assert.deepEqual(collectEntries(archive, { chunkSize }), whole);
    });
  }
});

describe('a sparse file keeps its content', () => {
  const variants = [
    ['--format=gnu'],
    ['--format=pax', '--sparse-version=0.0'],
    ['--format=pax', '--sparse-version=0.1'],
    ['--format=pax', '--sparse-version=1.0'],
  ];
  for (const options of variants) {
    test(options.join(' '), () => {
      const root = fs.mkdtempSync(join(directory, 'sparse-'));
      writeSparse(join(root, 'many-pieces'), 2 ** 20, 40);
      writeSparse(join(root, 'ends-with-hole'), 2 ** 18, 1);
      fs.truncateSync(join(root, 'ends-with-hole'), 2 ** 20);
      fs.writeFileSync(join(root, 'only-hole'), '');
      fs.truncateSync(join(root, 'only-hole'), 123_457);
      fs.writeFileSync(join(root, 'z-plain'), 'after');
      const archive = gnuTar(root, '--sparse', ...options);
      const whole = collectEntries(archive);
      const files = whole.filter(({ header }) => header.type === 'file');
      assert.deepEqual(
        files.map(({ header }) => header.path),
        ['./ends-with-hole', './many-pieces', './only-hole', './z-plain'],
      );
      for (const { header, sha256, dataBytes } of files) {
        const content = fs.readFileSync(join(root, header.path));
        assert.equal(header.size, content.length);
        assert.equal(dataBytes, content.length);
        assert.equal(sha256, createHash('sha256').update(content).digest('hex'), header.path);
      }
      for (const chunkSize of CHUNK_SIZES) {
        assert.deepEqual(collectEntries(archive, { chunkSize }), whole);
        for (const { header, dataBytes, holeBytes } of collectEntries(archive, { chunkSize, holes: true })) {
          assert.equal(dataBytes + holeBytes, header.size);
        }
      }
    });

    test(`${options.join(' ')}, larger than 8 GiB`, () => {
      const root = fs.mkdtempSync(join(directory, 'huge-'));
      writeSparse(join(root, 'huge'), 2 ** 33, 2);
      const entries = collectEntries(gnuTar(root, '--sparse', ...options), { holes: true });
      const entry = entries.find(({ header }) => header.path === './huge');
      assert.equal(entry?.header.size, 2 ** 33 + 2 ** 33 + 4096);
      assert.equal((entry?.dataBytes ?? 0) + (entry?.holeBytes ?? 0), entry?.header.size);
    });
  }
});

test('extended attributes arrive byte for byte', (t) => {
  const root = join(directory, 'xattrs');
  fs.mkdirSync(root);
  fs.writeFileSync(join(root, 'file'), '');
  const capability = fromBytes(Buffer.from('0100000200200000000000000000000000000000', 'hex'));
  try {
    if (isRoot) setXattr(join(root, 'file'), fromText('security.capability'), capability);
    setXattr(join(root, 'file'), fromText('user.binary'), fromBytes(Buffer.from([0, 255, 10, 128, 61])));
    setXattr(join(root, 'file'), fromText('user.empty'), fromText(''));
  } catch (error) {
    t.skip(`no extended attributes here: ${String(error)}`);
    return;
  }
  const entries = collectEntries(gnuTar(root, '--format=pax', '--xattrs', '--xattrs-include=*'));
  const file = entries.find(({ header }) => header.path === './file');
  assert.deepEqual(file?.header.xattrs, readXattrs(join(root, 'file')));
});

describe('an archive of Python gives what was put in', { skip: hasPython ? false : 'needs python3' }, () => {
  test('GNU: times before 1970 and ids beyond octal, in base-256', () => {
    const [file] = readPython('GNU', 'add("f", mtime=-1234567, uid=2**32-2, gid=2**21)');
    assert.deepEqual([file?.mtime.seconds, file?.uid, file?.gid], [-1_234_567, 2 ** 32 - 2, 2 ** 21]);
  });

  test('PAX: global records, negative fractions of seconds', () => {
    const [first, second] = readPython(
      'PAX',
      'add("f", pax_headers={"mtime": "-1.25"})\nadd("g", pax_headers={"mtime": "5.1234567891", "SCHILY.xattr.user.own": "2"})',
    );
    assert.deepEqual(first?.mtime, { seconds: -2, nanoseconds: 750_000_000 });
    assert.deepEqual([...(first?.xattrs ?? [])], [['user.all', '1']]);
    assert.deepEqual(second?.mtime, { seconds: 5, nanoseconds: 123_456_789 });
    assert.deepEqual(
      [...(second?.xattrs ?? [])],
      [
        ['user.all', '1'],
        ['user.own', '2'],
      ],
    );
  });

  test("libarchive's encoding of extended attributes", () => {
    const [file] = readPython('PAX', 'add("f", pax_headers={"LIBARCHIVE.xattr.user.a%3Db": "AP+A"})');
    assert.equal(file?.xattrs.get(fromText('user.a=b')), '\x00\xff\x80');
  });

  test('a v7 file whose name ends in a slash is a directory; a contiguous file is a file', () => {
    const headers = readPython('USTAR', 'add("d/", type=tarfile.AREGTYPE)\nadd("c", b"abc", type=tarfile.CONTTYPE)');
    assert.deepEqual(summary(headers), ['directory d 0', 'file c 3']);
  });

  test('the size of a directory or link announces no data', () => {
    const headers = readPython(
      'USTAR',
      'add("d", type=tarfile.DIRTYPE, fake=4096)\nadd("l", type=tarfile.LNKTYPE, linkname="x", fake=700)\nadd("f", b"1")',
    );
    assert.deepEqual(summary(headers), ['directory d 0', 'hardlink l 0', 'file f 1']);
  });
});

/** Headers of an archive that Python's tarfile writes: `add(name, content, field=value, …)`; `fake` is a size without data. */
function readPython(format: 'USTAR' | 'GNU' | 'PAX', script: string): TarHeader[] {
  const program = [
    'import sys, io, tarfile',
    'out = io.BytesIO()',
    `pax = {"comment": "global", "SCHILY.xattr.user.all": "1"} if ${format === 'PAX' ? 'True' : 'False'} else {}`,
    `t = tarfile.open(fileobj=out, mode="w", format=tarfile.${format}_FORMAT, pax_headers=pax)`,
    'def add(name, data=b"", fake=0, **fields):',
    '    i = tarfile.TarInfo(name)',
    '    i.size = fake or len(data)',
    '    for k, v in fields.items(): setattr(i, k, v)',
    '    t.addfile(i, None if fake else io.BytesIO(data))',
    script,
    't.close()',
    'sys.stdout.buffer.write(out.getvalue())',
  ].join('\n');
  const archive = execFileSync('python3', ['-c', program], { maxBuffer: 2 ** 28 });
  return collectEntries(archive).map(({ header }) => header);
}

function summary(headers: readonly TarHeader[]): string[] {
  return headers.map(({ type, path, size }) => `${type} ${path} ${size}`);
}

function writeSparse(path: string, distance: number, pieces: number): void {
  const file = fs.openSync(path, 'w');
  for (let i = 1; i <= pieces; i++) fs.writeSync(file, Buffer.alloc(4096, i), 0, 4096, i * distance);
  fs.closeSync(file);
}
