import assert from 'node:assert/strict';
import {
  createReadStream,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { fromText } from '../byteString.ts';
import type { Change } from '../tree/change.ts';
import { newEntry, type Content, type Entry } from '../tree/entry.ts';
import { LayerTree } from '../tree/layerTree.ts';
import { diffTrees } from '../tree/diffTrees.ts';
import { directory, file, hardlink, symlink } from '../tree/sampleTrees.ts';
import { applyChanges } from './applyChanges.ts';
import { ListingStore } from './listingStore.ts';
import { SampleBlobs, temporaryDirectory } from './sampleLayers.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root: owners and devices';

function put(path: string, entry: Entry, content?: Content): Change {
  return { kind: 'put', path: fromText(path), entry, ...(content === undefined ? {} : { content }) };
}

const noBlob = (): AsyncIterable<Uint8Array> => assert.fail('no blob is needed');
const FILE = newEntry('file', { mode: 0o4711, uid: 3, gid: 4, size: 5, mtime: { seconds: 100, nanoseconds: 7 } });
const HELLO: Content = { kind: 'bytes', bytes: Buffer.from('hello') };

function stateOf(path: string): string {
  const { mode, uid, gid } = lstatSync(path);
  return `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
}

suite('changes made real in a directory', { skip }, () => {
  test('files, directories, links and devices are what their entries say', async (t) => {
    const root = temporaryDirectory(t);
    const disk = join(temporaryDirectory(t), 'source');
    writeFileSync(disk, 'world', { mode: 0o600 });
    const changes: Change[] = [
      put('d', newEntry('directory', { mode: 0o1770, uid: 1, mtime: { seconds: 50, nanoseconds: 0 } })),
      put('d/bytes', FILE, HELLO),
      put('d/disk', { ...FILE, mode: 0o644 }, { kind: 'disk', path: disk }),
      put('d/empty', newEntry('file', { mode: 0o600 })),
      { kind: 'link', path: fromText('d/link'), target: fromText('d/bytes'), entry: FILE },
      put('d/null', newEntry('character', { mode: 0o666, deviceMajor: 1, deviceMinor: 3 })),
      put('d/symlink', newEntry('symlink', { mode: 0o777, uid: 8, linkTarget: fromText('/etc/passwd') })),
    ];
    await applyChanges(changes, root, noBlob);
    const at = (name: string): string => join(root, 'd', name);
    assert.deepEqual(
      ['', 'bytes', 'disk', 'empty', 'link', 'null', 'symlink'].map((name) => stateOf(at(name))),
      ['1770 1:0', '4711 3:4', '644 3:4', '600 0:0', '4711 3:4', '666 0:0', '777 8:0'],
    );
    assert.deepEqual([readFileSync(at('bytes'), 'utf8'), readFileSync(at('disk'), 'utf8')], ['hello', 'world']);
    assert.equal(lstatSync(at('link')).ino, lstatSync(at('bytes')).ino);
    assert.equal(lstatSync(at('bytes'), { bigint: true }).mtimeNs, 100_000_000_007n);
    assert.equal(lstatSync(at('')).mtimeMs, 50_000);
    assert.equal(readlinkSync(at('symlink')), '/etc/passwd');
  });

  test('what is there makes room, whatever it is, and no link is followed', async (t) => {
    const root = temporaryDirectory(t);
    const outside = join(temporaryDirectory(t), 'outside');
    mkdirSync(join(outside, 'd'), { recursive: true });
    writeFileSync(join(outside, 'canary'), 'alive');
    symlinkSync(join(outside, 'canary'), join(root, 'link'));
    symlinkSync(outside, join(root, 'dir-link'));
    symlinkSync(outside, join(root, 'gone'));
    mkdirSync(join(root, 'dir/deep'), { recursive: true });
    writeFileSync(join(root, 'file'), 'x');
    mkdirSync(join(root, 'kept'));
    writeFileSync(join(root, 'kept/x'), 'x');
    await applyChanges(
      [
        put('dir', FILE, HELLO),
        put('dir-link', newEntry('directory', { mode: 0o700 })),
        put('dir-link/canary', FILE, HELLO),
        put('file', newEntry('directory', { mode: 0o755 })),
        { kind: 'remove', path: fromText('gone') },
        put('kept', newEntry('directory', { mode: 0o711 })),
        put('link', FILE, HELLO),
      ],
      root,
      noBlob,
    );
    assert.equal(readFileSync(join(outside, 'canary'), 'utf8'), 'alive');
    assert.deepEqual(
      ['dir', 'dir-link', 'file', 'kept', 'link'].map((name) => lstatSync(join(root, name)).isDirectory()),
      [false, true, true, true, false],
    );
    assert.equal(lstatSync(join(root, 'gone'), { throwIfNoEntry: false }), undefined);
    assert.equal(readFileSync(join(root, 'kept/x'), 'utf8'), 'x');
  });

  test('a whole tree comes out of its layers, each read once', async (t) => {
    const { root, tree, blobs, readBlob } = await treeIn(t);
    const before = blobs.reads;
    await applyChanges(diffTrees(LayerTree.empty(), tree), root, readBlob);
    assert.equal(blobs.reads - before, 2);
    assert.equal(readFileSync(join(root, 'd/a'), 'utf8'), 'x'.repeat(10));
    assert.equal(readFileSync(join(root, 'd/b'), 'utf8'), 'x'.repeat(20));
    assert.equal(lstatSync(join(root, 'e')).ino, lstatSync(join(root, 'd/a')).ino);
    assert.equal(readlinkSync(join(root, 'l')), 'd');
  });

  test('a file that is copied twice out of one layer is there twice', async (t) => {
    const { root, tree, readBlob } = await treeIn(t);
    const node = tree.child(tree.child(tree.root, fromText('d')) ?? -1, fromText('b')) ?? -1;
    const content = tree.content(node);
    await applyChanges([put('one', tree.entry(node), content), put('two', tree.entry(node), content)], root, readBlob);
    assert.equal(readFileSync(join(root, 'two'), 'utf8'), 'x'.repeat(20));
    assert.notEqual(lstatSync(join(root, 'one')).ino, lstatSync(join(root, 'two')).ino);
  });
});

async function treeIn(t: TestContext) {
  const [root, blobDirectory, listingDirectory] = [temporaryDirectory(t), temporaryDirectory(t), temporaryDirectory(t)];
  const blobs = new SampleBlobs(blobDirectory);
  const readBlob = (layer: Parameters<SampleBlobs['blobPath']>[0]): AsyncIterable<Uint8Array> =>
    createReadStream(blobs.blobPath(layer));
  const listings = new ListingStore(listingDirectory, readBlob);
  const tree = LayerTree.empty();
  for (const layer of [
    blobs.layer(directory('d'), file('d/a', { size: 10 }), file('d/b', { size: 10 }), hardlink('e', 'd/a')),
    blobs.layer(file('d/b', { size: 20 }), symlink('l', 'd')),
  ]) {
    tree.applyLayer(layer, await listings.get(layer));
  }
  return { root, tree, blobs, readBlob };
}
