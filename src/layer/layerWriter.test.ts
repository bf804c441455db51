import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { compareBytes, fromText, type ByteString } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import { digestOf } from '../image/digest.ts';
import { openBlobStore, type BlobStore } from '../store/blobStore.ts';
import { collectEntries } from '../tar/collectEntries.ts';
import type { Change } from '../tree/change.ts';
import { newEntry, type Content, type Entry } from '../tree/entry.ts';
import { layerNamed } from '../tree/sampleTrees.ts';
import { writeLayer, type WriteLayerOptions } from './layerWriter.ts';
import { temporaryDirectory } from './sampleLayers.ts';

function put(path: string, entry: Entry, content?: Content): Change {
  return { kind: 'put', path: fromText(path), entry, ...(content === undefined ? {} : { content }) };
}

function bytes(text: string): Content {
  return { kind: 'bytes', bytes: Buffer.from(text) };
}

const TIME = { seconds: 1_700_000_000, nanoseconds: 123 };
const FILE = newEntry('file', { mode: 0o4755, uid: 1000, gid: 1001, size: 5, mtime: TIME });
const CHANGES: readonly Change[] = [
  put('d', newEntry('directory', { mode: 0o1777, mtime: TIME })),
  { kind: 'opaque', path: fromText('d') },
  put('d/\u00fcml\u00e4ut', FILE, bytes('hello')),
  put('d/dev', newEntry('character', { mode: 0o620, deviceMajor: 5, deviceMinor: 1, mtime: TIME })),
  { kind: 'remove', path: fromText('d/gone') },
  put('d/link', newEntry('symlink', { mode: 0o777, linkTarget: fromText('../x'), mtime: TIME })),
  put('empty', newEntry('file', { mode: 0o644 })),
  { kind: 'link', path: fromText('z'), target: fromText('d/\u00fcml\u00e4ut'), entry: FILE },
];

function storeOf(t: TestContext): BlobStore {
  return openBlobStore(temporaryDirectory(t));
}

async function tarOf(store: BlobStore, changes: readonly Change[], options: Partial<WriteLayerOptions> = {}) {
  const written = await writeLayer(changes, { store, format: 'oci', ...options });
  const blob = readFileSync(store.path(written.layer.descriptor.digest));
  return { ...written, blob, tar: gunzipSync(blob) };
}

suite('a layer is written', () => {
  test('with entries, links and whiteouts as the specification has them', async (t) => {
    const { tar } = await tarOf(storeOf(t), CHANGES);
    assert.deepEqual(
      collectEntries(tar).map(({ header, dataBytes }) => [
        header.type,
        header.path,
        header.mode,
        header.linkTarget,
        dataBytes,
      ]),
      [
        ['directory', 'd', 0o1777, '', 0],
        ['file', 'd/.wh..wh..opq', 0, '', 0],
        ['file', fromText('d/\u00fcml\u00e4ut'), 0o4755, '', 5],
        ['character', 'd/dev', 0o620, '', 0],
        ['file', 'd/.wh.gone', 0, '', 0],
        ['symlink', 'd/link', 0o777, '../x', 0],
        ['file', 'empty', 0o644, '', 0],
        ['hardlink', 'z', 0o4755, fromText('d/\u00fcml\u00e4ut'), 0],
      ],
    );
  });

  test('with the digests and the listing of what was written', async (t) => {
    const { tar, blob, layer, listing } = await tarOf(storeOf(t), CHANGES);
    assert.equal(layer.diffId, digestOf(tar));
    assert.deepEqual(layer.descriptor, {
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: digestOf(blob),
      size: blob.length,
    });
    const read = collectEntries(tar).map(({ header, offset }) => ({ header, offset }));
    assert.deepEqual([...listing], read);
  });

  test('with the same bytes every time', async (t) => {
    const [one, two] = [await tarOf(storeOf(t), CHANGES), await tarOf(storeOf(t), CHANGES)];
    assert.ok(one.blob.equals(two.blob));
  });

  test('with times cut to seconds, and none later than is allowed', async (t) => {
    const times = async (options: Partial<WriteLayerOptions>) =>
      collectEntries(
        (
          await tarOf(
            storeOf(t),
            [put('a', newEntry('directory', { mtime: TIME })), put('b', newEntry('directory', {}))],
            options,
          )
        ).tar,
      ).map(({ header }) => header.mtime);
    assert.deepEqual(await times({}), [
      { seconds: TIME.seconds, nanoseconds: 0 },
      { seconds: 0, nanoseconds: 0 },
    ]);
    assert.deepEqual(await times({ latestTime: 7 }), [
      { seconds: 7, nanoseconds: 0 },
      { seconds: 0, nanoseconds: 0 },
    ]);
  });

  test('so that GNU tar reads it', async (t) => {
    const store = storeOf(t);
    const { layer } = await tarOf(store, CHANGES);
    const { stdout, stderr, status } = spawnSync(
      'tar',
      ['--numeric-owner', '--quoting-style=literal', '-tvzf', store.path(layer.descriptor.digest)],
      {
        encoding: 'utf8',
        env: { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' },
      },
    );
    assert.equal(status, 0, stderr);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/ +/g, ' '));
    assert.equal(lines[2], '-rwsr-xr-x 1000/1001 5 2023-11-14 22:13 d/\u00fcml\u00e4ut');
    assert.equal(lines[3], 'crw--w---- 0/0 5,1 2023-11-14 22:13 d/dev');
    assert.equal(lines[7], 'hrwsr-xr-x 1000/1001 0 2023-11-14 22:13 z link to d/\u00fcml\u00e4ut');
  });

  test('from nothing at all', async (t) => {
    const { tar } = await tarOf(storeOf(t), []);
    assert.ok(tar.equals(Buffer.alloc(1024)));
  });
});

suite('a file on disk', () => {
  test('is written as long as its entry says, although it grew', async (t) => {
    const path = join(temporaryDirectory(t), 'f');
    writeFileSync(path, 'hello');
    appendFileSync(path, ' and more');
    const { tar } = await tarOf(storeOf(t), [put('f', FILE, { kind: 'disk', path })]);
    assert.equal(collectEntries(tar)[0]?.sha256, createHash('sha256').update('hello').digest('hex'));
  });

  const failures: readonly (readonly [name: string, code: string, prepare: (path: string) => void])[] = [
    ['that became shorter is an error, not zeros', 'FILE_CHANGED', (path) => writeFileSync(path, 'hell')],
    ['that is gone is an error', 'FILE_UNREADABLE', () => undefined],
    ['that is a link by now is never followed', 'FILE_UNREADABLE', (path) => symlinkSync('/etc/passwd', path)],
  ];
  for (const [name, code, prepare] of failures) {
    test(name, async (t) => {
      const store = storeOf(t);
      const path = join(temporaryDirectory(t), 'f');
      prepare(path);
      await assert.rejects(
        writeLayer([put('dir/f', FILE, { kind: 'disk', path })], { store, format: 'oci' }),
        (error) => error instanceof BuildError && error.code === code && error.message.includes('dir/f'),
      );
      assert.deepEqual(readdirSync(store.directory, { recursive: true, encoding: 'utf8' }).toSorted(compareBytes), [
        'incoming',
        'sha256',
      ]);
    });
  }
});

test('a file whose name would be read as a whiteout is an error, not a file that vanishes', async (t) => {
  const store = storeOf(t);
  for (const change of [
    put('d/.wh.a', FILE, bytes('hello')),
    { kind: 'link', path: fromText('.wh.a'), target: fromText('a'), entry: FILE } as const,
  ]) {
    await assert.rejects(
      writeLayer([change], { store, format: 'oci' }),
      (error) => error instanceof BuildError && error.code === 'NAME_RESERVED' && error.message.includes('.wh.a'),
    );
  }
});

test('content that lies in a layer is a mistake of the caller', async (t) => {
  const content: Content = { kind: 'layer', layer: layerNamed(1), offset: 512 };
  await assert.rejects(writeLayer([put('a', FILE, content)], { store: storeOf(t), format: 'oci' }), /not at hand/);
});

test('a build that is stopped leaves nothing behind', async (t) => {
  const store = storeOf(t);
  await assert.rejects(
    writeLayer(CHANGES, { store, format: 'oci', signal: AbortSignal.abort(new Error('stopped')) }),
    /stopped/,
  );
  assert.deepEqual(readdirSync(join(store.directory, 'incoming')), []);
});

test('a file of 512 MB is written with little memory', (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'hole');
  const descriptor = openSync(path, 'w');
  ftruncateSync(descriptor, 2 ** 29);
  writeSync(descriptor, 'end', 2 ** 29 - 3);
  closeSync(descriptor);
  truncateSync(path, 2 ** 29);
  const program = `
    const { writeLayer } = await import(${JSON.stringify(new URL('layerWriter.ts', import.meta.url).href)});
    const { openBlobStore } = await import(${JSON.stringify(new URL('../store/blobStore.ts', import.meta.url).href)});
    const { newEntry } = await import(${JSON.stringify(new URL('../tree/entry.ts', import.meta.url).href)});
    const before = process.resourceUsage().maxRSS;
    const change = { kind: 'put', path: 'hole', entry: newEntry('file', { size: 2 ** 29 }), content: { kind: 'disk', path: ${JSON.stringify(path)} } };
    const { layer } = await writeLayer([change], { store: openBlobStore(${JSON.stringify(join(directory, 'store'))}), format: 'oci' });
    console.log(JSON.stringify({ growth: (process.resourceUsage().maxRSS - before) / 1024, size: layer.descriptor.size }));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  const { growth, size } = JSON.parse(stdout || '{}') as { growth: number; size: number };
  assert.ok(growth < 150, `grew by ${growth} MB ${stderr}`);
  assert.ok(size < 2 ** 21, `${size} bytes of gzip`);
});

test('names that are no UTF-8 go through', async (t) => {
  const name = 'a\xff\xfe' as ByteString;
  const { tar } = await tarOf(storeOf(t), [{ kind: 'put', path: name, entry: newEntry('directory', {}) }]);
  assert.equal(collectEntries(tar)[0]?.header.path, name);
});
