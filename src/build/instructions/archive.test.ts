import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { fromText, type ByteString } from '../../byteString.ts';
import { archiveOf, temporaryDirectory, type SampleEntry } from '../../layer/sampleLayers.ts';
import type { TarHeader } from '../../tar/header.ts';
import { newEntry } from '../../tree/entry.ts';
import { applyTo, directory, file, hardlink, symlink, textOf, treeOf } from '../../tree/sampleTrees.ts';
import { WorkingTree } from '../../tree/workingTree.ts';
import { isArchive, unpackInto } from './archive.ts';
import type { CopyRules } from './copyFiles.ts';

const ARCHIVE = archiveOf([file('a', { size: 3 })]);

suite('ADD unpacks what is an archive by its content', () => {
  const table: readonly (readonly [name: string, bytes: Uint8Array, isOne: boolean])[] = [
    ['a tar', ARCHIVE, true],
    ['a tar in gzip', gzipSync(ARCHIVE), true],
    ['a tar in zstd', zstdCompressSync(ARCHIVE), true],
    ['an empty tar', archiveOf([]), true],
    ['nothing', Buffer.alloc(0), false],
    ['text', Buffer.from('hello '.repeat(1000)), false],
    ['text in gzip', gzipSync('hello '.repeat(1000)), false],
    ['gzip that is damaged', Buffer.concat([gzipSync(ARCHIVE).subarray(0, 20), Buffer.alloc(600, 7)]), false],
    ['a tar that is cut off in its first header', ARCHIVE.subarray(0, 511), false],
    ['a tar with a wrong checksum', Buffer.concat([Buffer.from('b'), ARCHIVE.subarray(1)]), false],
  ];
  for (const [name, bytes, isOne] of table) {
    test(`${name}: ${isOne ? 'yes' : 'no'}`, async (t) => {
      const path = join(temporaryDirectory(t), 'x');
      writeFileSync(path, bytes);
      assert.equal(await isArchive(path), isOne);
    });
  }

  test('xz and bzip2 are an error, not a file that stays packed', async (t) => {
    const path = join(temporaryDirectory(t), 'x');
    for (const magic of [Buffer.from('BZh91AY'), Buffer.from('\xfd7zXZ\0\0', 'latin1')]) {
      writeFileSync(path, magic);
      await assert.rejects(isArchive(path), { code: 'ARCHIVE_UNSUPPORTED' });
    }
  });
});

interface Unpacked {
  readonly tree: readonly string[];
  readonly contents: Readonly<Record<string, string>>;
}

async function unpack(
  t: TestContext,
  entries: readonly (TarHeader | SampleEntry)[],
  {
    into = [],
    target = '/',
    rules = {},
  }: { into?: readonly TarHeader[]; target?: string; rules?: Partial<CopyRules> } = {},
): Promise<Unpacked> {
  const directoryPath = temporaryDirectory(t);
  const archive = join(directoryPath, 'x.tar.gz');
  writeFileSync(archive, gzipSync(archiveOf(entries)));
  const destination = new WorkingTree(treeOf(into));
  await unpackInto(
    archive,
    destination,
    target,
    { now: { seconds: 9, nanoseconds: 0 }, ...rules },
    temporaryDirectory(t),
  );
  const changes = destination.changes();
  const after = treeOf(into);
  applyTo(after, changes);
  const contents: Record<string, string> = {};
  for (const change of changes) {
    if (change.kind === 'put' && change.content?.kind === 'disk')
      contents[change.path] = readFileSync(change.content.path, 'utf8');
  }
  return { tree: textOf(after), contents };
}

suite('an archive is unpacked', () => {
  test('with the owners and modes it has', async (t) => {
    const { tree, contents } = await unpack(t, [
      directory('d', { mode: 0o700, uid: 5, gid: 6 }),
      { header: file('d/f', { mode: 0o4755, uid: 7, gid: 8 }), content: Buffer.from('hello') },
      symlink('l', 'd/f'),
      hardlink('h', 'd/f'),
      { ...newEntry('fifo', { mode: 0o600 }), path: fromText('p') },
      file('implied/x'),
    ]);
    assert.deepEqual(tree, [
      'd directory 700 5:6',
      'd/f file 4755 7:8 5',
      'h = d/f',
      'implied directory 755 0:0',
      'implied/x file 644 0:0 0',
      'l -> d/f',
      'p fifo 600 0:0',
    ]);
    assert.deepEqual(contents['d/f'], 'hello');
  });

  test('below the target, through its links, and never above it', async (t) => {
    const { tree } = await unpack(t, [directory('.', { mode: 0o700 }), file('../../a'), file('/b'), file('x/../c')], {
      target: '/l',
      into: [directory('real'), symlink('l', '../../real')],
    });
    assert.deepEqual(tree, [
      'l -> ../../real',
      'real directory 755 0:0',
      'real/a file 644 0:0 0',
      'real/b file 644 0:0 0',
      'real/c file 644 0:0 0',
    ]);
  });

  test('over what is there', async (t) => {
    const { tree } = await unpack(
      t,
      [file('dir'), directory('file'), file('file/x'), file('link', { size: 2 }), directory('kept', { mode: 0o711 })],
      {
        into: [
          directory('dir'),
          file('dir/old'),
          file('file'),
          file('canary'),
          symlink('link', 'canary'),
          directory('kept'),
          file('kept/old'),
        ],
      },
    );
    assert.deepEqual(tree, [
      'canary file 644 0:0 0',
      'dir file 644 0:0 0',
      'file directory 755 0:0',
      'file/x file 644 0:0 0',
      'kept directory 711 0:0',
      'kept/old file 644 0:0 0',
      'link file 644 0:0 2',
    ]);
  });

  test('with --chown and --chmod, which win', async (t) => {
    const { tree } = await unpack(t, [directory('d', { uid: 5 }), file('d/f', { uid: 5 }), symlink('d/l', 'f')], {
      rules: { owner: { uid: 1, gid: 2 }, chmod: (_mode, isDirectory) => (isDirectory ? 0o711 : 0o600) },
    });
    assert.deepEqual(tree, ['d directory 711 1:2', 'd/f file 600 1:2 0', 'd/l -> f']);
  });

  test('with the last of several entries of one name', async (t) => {
    const { tree, contents } = await unpack(t, [
      { header: file('a'), content: Buffer.from('one') },
      { header: file('a'), content: Buffer.from('second') },
    ]);
    assert.deepEqual([tree, contents], [['a file 644 0:0 6'], { a: 'second' }]);
  });
});

test('a hardlink that leads nowhere, outside or to a directory is an error', async (t) => {
  for (const target of ['missing', '/etc/passwd', '../../etc/passwd', 'd']) {
    await assert.rejects(unpack(t, [directory('d'), hardlink('x', target)]), { code: 'ARCHIVE_INVALID' });
  }
});

test('an archive that is cut off is an error', async (t) => {
  const path = join(temporaryDirectory(t), 'x.tar');
  const scratch = temporaryDirectory(t);
  writeFileSync(path, archiveOf([file('a', { size: 5000 })]).subarray(0, 3000));
  const before = readdirSync('/proc/self/fd').length;
  const unpacked = unpackInto(path, new WorkingTree(treeOf()), '/', { now: { seconds: 0, nanoseconds: 0 } }, scratch);
  await assert.rejects(unpacked, { code: 'TAR_INVALID' });
  assert.ok(readdirSync('/proc/self/fd').length <= before + 1, 'files stay open');
});

test('of extended attributes, capabilities are kept', async (t) => {
  const path = join(temporaryDirectory(t), 'x.tar');
  const xattrs = new Map([
    ['security.capability', 'x'],
    ['user.y', 'z'],
  ] as [ByteString, ByteString][]);
  writeFileSync(path, archiveOf([file('a', { xattrs })]));
  const destination = new WorkingTree(treeOf());
  await unpackInto(path, destination, '/', { now: { seconds: 0, nanoseconds: 0 } }, temporaryDirectory(t));
  const node = destination.child(destination.root, fromText('a')) ?? -1;
  assert.deepEqual([...destination.entry(node).xattrs.keys()], ['security.capability']);
});
