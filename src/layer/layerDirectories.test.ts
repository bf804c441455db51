import assert from 'node:assert/strict';
import {
  createReadStream,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { fromText, type ByteString } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import type { Layer } from '../image/image.ts';
import { readXattrs } from '../linux/xattr.ts';
import type { TarHeader } from '../tar/header.ts';
import { newEntry } from '../tree/entry.ts';
import { directory, file, hardlink, symlink } from '../tree/sampleTrees.ts';
import { LayerDirectories, type LayerDirectoriesOptions, type LayerStack } from './layerDirectories.ts';
import { ListingStore } from './listingStore.ts';
import { SampleBlobs, temporaryDirectory, type SampleEntry } from './sampleLayers.ts';
import { UnpackPool } from './unpackPool.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root: owners, devices and trusted xattrs';

interface Bench {
  readonly root: string;
  readonly blobs: SampleBlobs;
  readonly directories: LayerDirectories;
}

function benchOf(t: TestContext, options: Partial<LayerDirectoriesOptions> = {}): Bench {
  const root = temporaryDirectory(t);
  for (const name of ['blobs', 'layers', 'scratch', 'outside']) mkdirSync(join(root, name));
  writeFileSync(join(root, 'outside', 'canary'), 'alive', { mode: 0o600 });
  const blobs = new SampleBlobs(join(root, 'blobs'));
  const pool = new UnpackPool(2);
  t.after(() => pool[Symbol.asyncDispose]());
  const directories = new LayerDirectories({
    directory: join(root, 'layers'),
    scratch: join(root, 'scratch'),
    xattrs: 'trusted',
    pool,
    listings: new ListingStore(join(root, 'listings'), (layer) => createReadStream(blobs.blobPath(layer))),
    localBlob: (layer) => Promise.resolve(blobs.blobPath(layer)),
    ...options,
  });
  return { root, blobs, directories };
}

type Entries = readonly (TarHeader | SampleEntry)[];

async function stackOf(
  bench: Bench,
  ...layers: readonly Entries[]
): Promise<LayerStack & { readonly layers: Layer[] }> {
  const made = layers.map((entries) => bench.blobs.layer(...entries));
  return { ...(await bench.directories.stack(made)), layers: made };
}

/** What overlayfs would see in one directory: `a file 644 0:0`, `w whiteout`, `d dir 755 0:0 opaque`; in order. */
function seen(root: string, below = ''): string[] {
  return readdirSync(join(root, below)).flatMap((child) => {
    const name = join(below, child);
    const path = join(root, name);
    const stat = lstatSync(path);
    if (stat.isSymbolicLink()) return `${name} -> ${readlinkSync(path)}`;
    if (stat.isCharacterDevice() && stat.rdev === 0) return `${name} whiteout`;
    const opaque = readXattrs(path).has('trusted.overlay.opaque' as ByteString) ? ' opaque' : '';
    const kind = stat.isDirectory() ? 'dir' : stat.isFile() ? 'file' : 'special';
    const line = `${name} ${kind} ${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid}${opaque}`;
    return stat.isDirectory() ? [line].concat(seen(root, name)) : line;
  });
}

function inodeOf(...path: string[]): number {
  return lstatSync(join(...path)).ino;
}

suite('a layer that stands alone', { skip }, () => {
  test('is unpacked as its archive says', async (t) => {
    const stack = await stackOf(benchOf(t), [
      directory('d', { mode: 0o2750, uid: 3, gid: 4, mtime: { seconds: 1000, nanoseconds: 0 } }),
      file('d/f', { mode: 0o4755, uid: 5, gid: 6, size: 3, mtime: { seconds: 2000, nanoseconds: 500 } }),
      hardlink('d/g', 'd/f'),
      symlink('d/l', '/outside'),
      { ...newEntry('fifo', { mode: 0o600 }), path: fromText('d/p') },
      { ...newEntry('character', { mode: 0o666, deviceMajor: 1, deviceMinor: 3 }), path: fromText('d/null') },
    ]);
    const [root = ''] = stack.directories;
    assert.deepEqual(seen(root), [
      'd dir 2750 3:4',
      'd/f file 4755 5:6',
      'd/g file 4755 5:6',
      'd/l -> /outside',
      'd/null special 666 0:0',
      'd/p special 600 0:0',
    ]);
    assert.equal(inodeOf(root, 'd/f'), inodeOf(root, 'd/g'));
    assert.equal(readFileSync(join(root, 'd/f'), 'utf8'), 'xxx');
    assert.equal(lstatSync(join(root, 'd/f'), { bigint: true }).mtimeNs, 2_000_000_000_500n);
    assert.equal(lstatSync(join(root, 'd')).mtimeMs, 1_000_000);
  });

  test('is unpacked once for all images that have it', async (t) => {
    const bench = benchOf(t);
    const entries = [directory('d'), file('d/f')];
    const one = await stackOf(bench, entries);
    const reads = bench.blobs.reads;
    const two = await stackOf(bench, entries);
    assert.deepEqual(two.directories, one.directories);
    assert.equal(bench.blobs.reads, reads);
    assert.equal(await bench.directories.own(bench.blobs.layer(...entries)), one.directories[0]);
  });

  test('has whiteouts and opaque marks that overlayfs understands', async (t) => {
    const stack = await stackOf(
      benchOf(t),
      [directory('d'), file('d/a')],
      [directory('d'), file('d/.wh.a'), file('.wh.b'), directory('o'), file('o/.wh..wh..opq'), file('o/x')],
    );
    assert.deepEqual(seen(stack.directories[1] ?? ''), [
      'b whiteout',
      'd dir 755 0:0',
      'd/a whiteout',
      'o dir 755 0:0 opaque',
      'o/x file 644 0:0',
    ]);
  });

  test('keeps an entry beside its whiteout, and a directory beside its own hides what was below', async (t) => {
    const stack = await stackOf(benchOf(t), [
      file('a', { size: 1 }),
      file('.wh.a'),
      directory('d'),
      file('d/x'),
      file('.wh.d'),
    ]);
    assert.deepEqual(seen(stack.directories[0] ?? ''), ['a file 644 0:0', 'd dir 755 0:0 opaque', 'd/x file 644 0:0']);
  });

  test('has the last of several entries of one name', async (t) => {
    const stack = await stackOf(benchOf(t), [
      file('a', { size: 1 }),
      symlink('a', 'b'),
      directory('d'),
      file('d/x'),
      file('d', { size: 2 }),
      hardlink('d', 'd'),
      symlink('e', 'd'),
      directory('e'),
    ]);
    assert.deepEqual(seen(stack.directories[0] ?? ''), ['a -> b', 'd file 644 0:0', 'e dir 755 0:0']);
  });

  test('has no bookkeeping of AUFS, and no attribute that would lead overlayfs elsewhere', async (t) => {
    const xattrs = new Map([
      ['trusted.overlay.redirect', '/etc'],
      ['trusted.overlay.opaque', 'y'],
      ['user.kept', '1'],
    ] as [ByteString, ByteString][]);
    const stack = await stackOf(benchOf(t), [
      directory('.wh..wh.plnk'),
      file('.wh..wh.plnk/1'),
      directory('d', { xattrs }),
    ]);
    const [root = ''] = stack.directories;
    assert.deepEqual(seen(root), ['d dir 755 0:0']);
    assert.deepEqual([...readXattrs(join(root, 'd')).keys()], ['user.kept']);
  });

  test('may name a hardlink before its target', async (t) => {
    const stack = await stackOf(benchOf(t), [hardlink('a', 'z'), file('z', { size: 3 })]);
    const [root = ''] = stack.directories;
    assert.equal(inodeOf(root, 'a'), inodeOf(root, 'z'));
  });

  test('is unpacked by a worker if it is large', async (t) => {
    const content = Buffer.from(Array.from({ length: 3 << 20 }, (_, index) => (index * 2654435761) >>> 24));
    const bench = benchOf(t);
    const made = bench.blobs.layer({ header: file('big'), content });
    const large = { ...made, descriptor: { ...made.descriptor, size: 64 << 20 } };
    const { directories } = await bench.directories.stack([large]);
    assert.ok(readFileSync(join(directories[0] ?? '', 'big')).equals(content));
  });
});

suite('a layer that needs those below it', { skip }, () => {
  test('gives directories that it does not describe the attributes they have below', async (t) => {
    const bench = benchOf(t);
    const base: Entries = [
      directory('d', { mode: 0o1777, uid: 9, mtime: { seconds: 5, nanoseconds: 0 } }),
      directory('d/e', { mode: 0o700 }),
    ];
    const stack = await stackOf(bench, base, [file('d/e/f')]);
    const [, root = ''] = stack.directories;
    assert.deepEqual(seen(root), ['d dir 1777 9:0', 'd/e dir 700 0:0', 'd/e/f file 644 0:0']);
    assert.equal(lstatSync(join(root, 'd')).mtimeMs, 5000);
    const other = await stackOf(bench, [directory('d', { mode: 0o711 })], [file('d/e/f')]);
    assert.deepEqual(seen(other.directories[1] ?? ''), ['d dir 711 0:0', 'd/e dir 755 0:0', 'd/e/f file 644 0:0']);
  });

  test('links to files of lower layers', async (t) => {
    const stack = await stackOf(
      benchOf(t),
      [file('a', { size: 1 })],
      [directory('d'), file('d/b')],
      [hardlink('c', 'a'), hardlink('e', '/d/b')],
    );
    const [first = '', second = '', third = ''] = stack.directories;
    assert.equal(inodeOf(third, 'c'), inodeOf(first, 'a'));
    assert.equal(inodeOf(third, 'e'), inodeOf(second, 'd/b'));
  });

  test('lies where links of the layers below, or its own, lead', async (t) => {
    const stack = await stackOf(
      benchOf(t),
      [directory('usr', { mode: 0o711 }), directory('usr/lib'), symlink('lib', 'usr/lib'), file('usr/lib/old')],
      [file('lib/new'), file('lib/.wh.old')],
      [symlink('own', '/usr'), file('own/x'), hardlink('y', 'own/lib/new')],
    );
    const [, second = '', third = ''] = stack.directories;
    assert.deepEqual(seen(second), [
      'usr dir 711 0:0',
      'usr/lib dir 755 0:0',
      'usr/lib/new file 644 0:0',
      'usr/lib/old whiteout',
    ]);
    assert.deepEqual(seen(third), ['own -> /usr', 'usr dir 711 0:0', 'usr/x file 644 0:0', 'y file 644 0:0']);
    assert.equal(inodeOf(third, 'y'), inodeOf(second, 'usr/lib/new'));
  });

  test('is unpacked once for stages that start alike at the same time', async (t) => {
    const bench = benchOf(t);
    const layers = [bench.blobs.layer(directory('d', { mode: 0o700 })), bench.blobs.layer(file('d/f'))];
    const stacks = await Promise.all([1, 2, 3].map(() => bench.directories.stack(layers)));
    for (const { directories } of stacks)
      assert.deepEqual(seen(directories[1] ?? ''), ['d dir 700 0:0', 'd/f file 644 0:0']);
    assert.deepEqual(readdirSync(join(bench.root, 'scratch')), []);
  });

  test('is unpacked for each base that it stands on, also at the same time', async (t) => {
    const bench = benchOf(t);
    const top = bench.blobs.layer(file('d/f'));
    const modes = [0o700, 0o711, 0o750];
    const stacks = await Promise.all(
      modes.map((mode) => bench.directories.stack([bench.blobs.layer(directory('d', { mode })), top])),
    );
    assert.deepEqual(
      stacks.map(({ directories }) => seen(directories[1] ?? '')[0]),
      modes.map((mode) => `d dir ${mode.toString(8)} 0:0`),
    );
    assert.deepEqual(readdirSync(join(bench.root, 'scratch')), []);
  });
});

suite('a hostile layer', { skip }, () => {
  test('writes nothing outside its directory', async (t) => {
    const bench = benchOf(t);
    const outside = join(bench.root, 'outside');
    const up = '../../../../../../../../..';
    const attacks: readonly Entries[] = [
      [file(`${up}${outside}/canary`, { size: 4 }), file(`${outside}/new`)],
      [symlink('l', outside), file('l/canary', { size: 4 }), file('l/new'), directory('l/dir')],
      [symlink('l', `${up}${outside}`), file('l/new')],
      [symlink('c', `${outside}/canary`), file('c', { size: 4 })],
      [symlink('l', outside), hardlink('l/new', 'l/canary')],
      [symlink('l', outside), directory('l', { mode: 0o777 }), file('l/new')],
      [
        directory('l'),
        directory('l/d'),
        symlink('l', outside),
        file('l/d/new'),
        file('l/.wh.canary'),
        file('l/.wh..wh..opq'),
      ],
      [symlink('l', outside), { ...newEntry('fifo', {}), path: fromText('l/pipe') }, symlink('l/s', 'x')],
    ];
    for (const entries of attacks) {
      const before = existsSync(join(outside, 'canary'));
      assert.ok(before);
      try {
        await stackOf(bench, [directory('base')], entries);
      } catch (error) {
        assert.ok(error instanceof BuildError && error.code === 'LAYER_INVALID', String(error));
      }
      assert.deepEqual(seen(outside), ['canary file 600 0:0']);
      assert.equal(readFileSync(join(outside, 'canary'), 'utf8'), 'alive');
      assert.deepEqual(readXattrs(outside).size, 0);
    }
  });

  const invalid: readonly (readonly [name: string, entries: (outside: string) => Entries])[] = [
    ['links to nothing', () => [hardlink('a', 'missing')]],
    ['links to a file of this machine', (outside) => [hardlink('a', `${outside}/canary`)]],
    ['links to a file of this machine through a link', (outside) => [symlink('l', outside), hardlink('a', 'l/canary')]],
    ['links to a directory', () => [directory('d'), hardlink('a', 'd')]],
    ['replaces the root', () => [symlink('.', '/etc')]],
  ];
  for (const [name, entries] of invalid) {
    test(`that ${name} is refused`, async (t) => {
      const bench = benchOf(t);
      await assert.rejects(
        stackOf(bench, [file('f')], entries(join(bench.root, 'outside'))),
        (error) => error instanceof BuildError && error.code === 'LAYER_INVALID',
      );
    });
  }

  test('that is another one than its image says is refused', async (t) => {
    const bench = benchOf(t);
    const { diffId } = bench.blobs.layer(file('a'));
    const layer = { ...bench.blobs.layer(file('b')), diffId };
    await assert.rejects(
      bench.directories.stack([layer]),
      (error) => error instanceof BuildError && error.code === 'DIFF_ID_MISMATCH',
    );
    assert.deepEqual([...readdirSync(join(bench.root, 'layers')), ...readdirSync(join(bench.root, 'scratch'))], []);
  });
});
