import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '../byteString.ts';
import { fromText, toFsPath } from '../byteString.ts';
import { readXattrs } from '../linux/xattr.ts';
import { collectEntries } from './collectEntries.ts';
import type { TarHeader } from './header.ts';
import { NO_XATTRS } from './header.ts';
import { encodeTarHeader, TAR_END, tarPadding } from './writer.ts';

function header(fields: Partial<TarHeader>): TarHeader {
  return {
    type: 'file',
    path: fromText('file'),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: { seconds: 1_700_000_000, nanoseconds: 0 },
    linkTarget: fromText(''),
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: NO_XATTRS,
    ...fields,
  };
}

/** With an ordinary prototype, which is what readers make and `deepEqual` compares. */
function plainRecord<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

const fileName = fc
  .array(
    fc.oneof(
      fc.constantFrom('a', '..', '.', 'x'.repeat(99), 'y'.repeat(101), 'z'.repeat(155), 'é', '\u{1f600}', '\xff=\n'),
      fc.string({ minLength: 1, maxLength: 20 }),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => fromText(parts.join('/').replaceAll('\0', '')))
  .filter((name) => name !== '' && !name.endsWith('/'));

const bytes = fc.uint8Array({ maxLength: 80 }).map((value) => Buffer.from(value).toString('latin1') as ByteString);

const anyHeader = plainRecord({
  type: fc.constantFrom<TarHeader['type'][]>('file', 'directory', 'symlink', 'hardlink', 'character', 'block', 'fifo'),
  path: fileName,
  mode: fc.nat(0o7777),
  uid: fc.oneof(fc.nat(70_000), fc.integer({ min: 8 ** 7 - 1, max: 2 ** 32 - 2 })),
  gid: fc.oneof(fc.nat(70_000), fc.integer({ min: 8 ** 7 - 1, max: 2 ** 32 - 2 })),
  size: fc.nat(2000),
  mtime: plainRecord({
    seconds: fc.oneof(
      fc.integer(),
      fc.integer({ min: 8 ** 11 - 1, max: 2 ** 52 }),
      fc.integer({ min: -(2 ** 52), max: 0 }),
    ),
    nanoseconds: fc.oneof(fc.constant(0), fc.nat(999_999_999)),
  }),
  linkTarget: fileName,
  deviceMajor: fc.nat(4095),
  deviceMinor: fc.nat(2 ** 20 - 1),
  xattrs: fc
    .uniqueArray(
      fc.tuple(fc.constantFrom('security.capability', 'user.é', 'user.\n', 'trusted.x').map(fromText), bytes),
      { selector: ([name]) => name, maxLength: 3 },
    )
    .map((entries) => new Map(entries)),
}).map((fields): TarHeader => {
  const { type } = fields;
  const isLink = type === 'symlink' || type === 'hardlink';
  const isDevice = type === 'character' || type === 'block';
  return Object.assign(fields, {
    size: type === 'file' ? fields.size : 0,
    linkTarget: isLink ? fields.linkTarget : fromText(''),
    deviceMajor: isDevice ? fields.deviceMajor : 0,
    deviceMinor: isDevice ? fields.deviceMinor : 0,
  });
});

function archiveOf(headers: readonly TarHeader[]): Buffer {
  return Buffer.concat([
    ...headers.flatMap((one) => [encodeTarHeader(one), Buffer.alloc(one.size, 'c'), tarPadding(one.size)]),
    TAR_END,
  ]);
}

test('what is written reads back the same', () => {
  fc.assert(
    fc.property(fc.array(anyHeader, { maxLength: 4 }), fc.integer({ min: 1, max: 3000 }), (headers, chunkSize) => {
      const read = collectEntries(archiveOf(headers), { chunkSize });
      assert.deepEqual(
        read.map((entry) => entry.header),
        headers,
      );
      assert.deepEqual(
        read.map((entry) => entry.dataBytes),
        headers.map((one) => one.size),
      );
    }),
    { numRuns: 500 },
  );
});

describe("the bytes are those of Go's archive/tar in PAX format", () => {
  // sha256 of what Go 1.19 wrote for the same header.
  const golden: { name: string; fields: Partial<TarHeader>; blocks: number; sha256: string }[] = [
    {
      name: 'a plain file',
      fields: { size: 5, uid: 1000, gid: 2_097_151 },
      blocks: 1,
      sha256: '37c4e435436f45c565092289f058d1736d9866dd44c8cb0ba1381c7e7cd84294',
    },
    {
      name: 'a directory',
      fields: { type: 'directory', path: fromText('usr/share/doc') },
      blocks: 1,
      sha256: '5bad3562952901eaa09a2d2b2a40ce535eeb73d97e5a8b75036d1a5e85e22187',
    },
    {
      name: 'a device',
      fields: { type: 'block', deviceMajor: 259, deviceMinor: 70_000 },
      blocks: 1,
      sha256: 'fefa1537479f1de03a23447f1023748d53d78e5de16c7911717d28f5f023e8ed',
    },
    {
      name: 'a path that ustar splits',
      fields: { path: fromText(`${'p'.repeat(120)}/${'n'.repeat(90)}`) },
      blocks: 1,
      sha256: 'fc70c13bdba08f50f0c640cdf0d6255560d009e5cb041c566aaca72d5667b6d8',
    },
    {
      name: 'a path that ustar splits, and a reason for PAX',
      fields: { path: fromText(`${'p'.repeat(120)}/${'n'.repeat(90)}`), uid: 2_097_152 },
      blocks: 3,
      sha256: 'a46dbe24ffbe154d9ff03ff0eb7250342a560482cd1aa2d0cec4575a68feb02c',
    },
    {
      name: 'a path that ustar cannot split',
      fields: { path: fromText(`a/./b/${'n'.repeat(101)}`) },
      blocks: 3,
      sha256: 'e662ae8ec293741a2c37952fd4b69c368bd0bfac03fbaf4fbcf5e2d4ddc586a4',
    },
    {
      name: 'a long path cut after a slash',
      fields: { path: fromText(`${'p'.repeat(98)}//${'n'.repeat(101)}`) },
      blocks: 3,
      sha256: 'cc11e438b1053c09f638773242990989bfc79fd9d89f7fd323d6e6b01fd1bcd0',
    },
    {
      name: 'a path beyond ASCII',
      fields: { path: fromText('dir/日本/é') },
      blocks: 3,
      sha256: '1b7334ea8e94fa9011f9037241c7217e46065f9168ed685fc7be3d527c48e208',
    },
    {
      name: 'a long link target',
      fields: { type: 'symlink', linkTarget: fromText(`../${'t'.repeat(98)}`) },
      blocks: 3,
      sha256: 'accbf1939b96e68a789a3406ad3b5e30d4adeeffaf19bf72c0d696926383bc5c',
    },
    {
      name: 'a hardlink beyond ASCII',
      fields: { type: 'hardlink', linkTarget: fromText('é') },
      blocks: 3,
      sha256: '07cebc0996fd3be8ce9cb65e24f1247ba642a3ec060f759458f846315b61b9c4',
    },
    {
      name: 'nanoseconds',
      fields: { mtime: { seconds: 1, nanoseconds: 120_000_000 } },
      blocks: 3,
      sha256: '3ba7c0b2b56169c1b0f3e95b3d57593244a568e1fd20f4f607a498ed40ea1517',
    },
    {
      name: 'a time before 1970',
      fields: { mtime: { seconds: -2, nanoseconds: 500_000_000 } },
      blocks: 3,
      sha256: 'b0abad00bc94d39870323d28414f888526ee4c90bb83500dc32ead18189ec26b',
    },
    {
      name: 'a file of 8 GiB',
      fields: { size: 8 ** 11 },
      blocks: 3,
      sha256: 'ef368807a0ae859e40080bef1a24364292f3d41af779e33b1dede732b93f2dae',
    },
    {
      name: 'extended attributes',
      fields: {
        xattrs: new Map([
          ['user.z', '\xff\0'],
          ['security.capability', '\x01\0\0\x02'],
        ] as [ByteString, ByteString][]),
      },
      blocks: 3,
      sha256: 'b56728c7368e02db79ec95be575dd39b8a721ed77779ffa00ab5ad0f17208b69',
    },
    {
      name: 'records longer than a block',
      fields: { path: fromText('p/'.repeat(600) + 'p') },
      blocks: 5,
      sha256: 'a069518e9d99e6f5479d565224aafde03e6d6bdfaba54a2409a460eaeda7072b',
    },
  ];
  for (const { name, fields, blocks, sha256 } of golden) {
    test(name, () => {
      const encoded = encodeTarHeader(header(fields));
      assert.equal(encoded.length, 512 * blocks);
      assert.equal(createHash('sha256').update(encoded).digest('hex'), sha256);
    });
  }
});

test('what no tar header can say is refused', () => {
  const impossible: Partial<TarHeader>[] = [
    { path: fromText('a\0b') },
    { type: 'symlink', linkTarget: fromText('a\0b') },
    { xattrs: new Map([[fromText('user.a=b'), fromText('')]]) },
    { type: 'character', deviceMinor: 2 ** 21 },
  ];
  for (const fields of impossible) assert.throws(() => encodeTarHeader(header(fields)), { code: 'TAR_UNSUPPORTED' });
});

/** Of every type and with everything ustar cannot say. */
const VARIED: readonly TarHeader[] = [
  header({ type: 'directory', path: fromText('dir'), mode: 0o1777 }),
  header({ path: fromText('dir/suid'), mode: 0o4755, size: 700 }),
  header({ path: fromText(`dir/${'n'.repeat(200)}`), size: 3, mtime: { seconds: -5, nanoseconds: 250_000_000 } }),
  header({ type: 'directory', path: fromText(`dir/${'p'.repeat(80)}`) }),
  header({ path: fromText(`dir/${'p'.repeat(80)}/${'q'.repeat(80)}`), size: 1 }),
  header({ path: 'dir/\xff\xfe' as ByteString, uid: 3_000_000, gid: 4_000_000_000 }),
  header({ type: 'symlink', path: fromText('dir/link'), mode: 0o777, linkTarget: fromText(`é/${'t'.repeat(150)}`) }),
  header({ type: 'hardlink', path: fromText('dir/hard'), mode: 0o4755, linkTarget: fromText('dir/suid') }),
  header({ type: 'fifo', path: fromText('dir/fifo') }),
  header({ type: 'character', path: fromText('dir/null'), deviceMajor: 1, deviceMinor: 3 }),
  header({ path: fromText('dir/xattr'), xattrs: new Map([['user.b' as ByteString, '\xff\0\n=' as ByteString]]) }),
];

test('GNU tar unpacks what is written', { skip: process.getuid?.() === 0 ? false : 'needs root' }, (t) => {
  const root = fs.mkdtempSync(join(tmpdir(), 'kasane-tar-'));
  t.after(() => fs.rmSync(root, { recursive: true, force: true }));
  const args = ['-x', '-p', '--numeric-owner', '--xattrs', '--xattrs-include=*', '-C', root];
  const { status, stderr } = spawnSync('tar', args, { input: archiveOf(VARIED) });
  assert.equal(status, 0, stderr.toString());
  for (const one of VARIED) {
    const path = toFsPath(`${fromText(root)}/${one.path}` as ByteString);
    const stat = fs.lstatSync(path, { bigint: true });
    assert.equal(Number(stat.mode & 0o7777n), one.mode, one.path);
    assert.deepEqual([Number(stat.uid), Number(stat.gid)], [one.uid, one.gid]);
    const seconds = BigInt(one.mtime.seconds);
    if (one.type !== 'directory')
      assert.equal(stat.mtimeNs, seconds * 10n ** 9n + BigInt(one.mtime.nanoseconds), one.path);
    if (one.type === 'file') assert.equal(Number(stat.size), one.size);
    if (one.type === 'symlink') assert.equal(fs.readlinkSync(path, 'latin1'), one.linkTarget);
    if (one.type === 'character') assert.equal(Number(stat.rdev), 0x103);
    if (one.xattrs.size > 0) assert.deepEqual(readXattrs(path), one.xattrs);
  }
});

const hasPython = spawnSync('python3', ['--version']).status === 0;

test("Python's tarfile lists what is written", { skip: hasPython ? false : 'needs python3' }, () => {
  const program = [
    'import sys, io, json, tarfile',
    't = tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()))',
    'raw = lambda s: list(s.encode("utf-8", "surrogateescape"))',
    'print(json.dumps([[raw(m.name), m.mode, m.uid, m.gid, m.size, float(m.mtime), raw(m.linkname), m.devmajor, m.devminor] for m in t]))',
  ].join('\n');
  const listed = JSON.parse(
    execFileSync('python3', ['-c', program], { input: archiveOf(VARIED), encoding: 'utf8' }),
  ) as unknown;
  const expected = VARIED.map((one) => [
    [...Buffer.from(one.path, 'latin1')],
    one.mode,
    one.uid,
    one.gid,
    one.size,
    one.mtime.seconds + one.mtime.nanoseconds / 1e9,
    [...Buffer.from(one.linkTarget, 'latin1')],
    one.deviceMajor,
    one.deviceMinor,
  ]);
  assert.deepEqual(listed, expected);
});
