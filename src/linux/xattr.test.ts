import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { ByteString } from '../byteString.ts';
import { fromText } from '../byteString.ts';
import { hasErrno } from '../errors.ts';
import { readXattrs, removeXattr, setXattr } from './xattr.ts';

const isRoot = process.getuid?.() === 0;

/** A new file where extended attributes work; undefined, and the test is skipped, where they don't. */
function makeFile(t: TestContext, name: string | Buffer = 'file'): Buffer | undefined {
  const directory = fs.mkdtempSync(join(tmpdir(), 'kasane-xattr-'));
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const path = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name)]);
  fs.writeFileSync(path, '');
  try {
    setXattr(path, fromText('user.probe'), fromText(''));
    removeXattr(path, fromText('user.probe'));
    return path;
  } catch (error) {
    if (!hasErrno(error, 'ENOTSUP', 'EPERM')) throw error;
    t.skip('this file system has no user attributes');
    return undefined;
  }
}

test('attributes keep their bytes, from none to many and large', (t) => {
  const path = makeFile(t, Buffer.from([0x66, 0xff, 0xc3]));
  if (path === undefined) return;
  assert.equal(readXattrs(path).size, 0);
  const values: [string, ByteString][] = [
    ['user.empty', '' as ByteString],
    ['user.binary', '\0\xff\n\x80=' as ByteString],
    ['user.é', fromText('é')],
    ['user.large', 'v'.repeat(2000) as ByteString],
  ];
  for (const [name, value] of values) setXattr(path, fromText(name), value);
  const expected = new Map(values.map(([name, value]) => [fromText(name), value]));
  assert.deepEqual(readXattrs(path), expected);
  setXattr(path, fromText('user.empty'), fromText('no longer'));
  removeXattr(path, fromText('user.large'));
  assert.equal(readXattrs(path).get(fromText('user.empty')), 'no longer');
  assert.equal(readXattrs(path).size, 3);
});

test('file capabilities survive, and a symlink is never followed', (t) => {
  const path = makeFile(t);
  if (path === undefined) return;
  if (!isRoot) {
    t.skip('needs root');
    return;
  }
  const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex').toString('latin1') as ByteString;
  setXattr(path, fromText('security.capability'), capability);
  assert.equal(readXattrs(path).get(fromText('security.capability')), capability);
  const link = Buffer.concat([path, Buffer.from('-link')]);
  fs.symlinkSync(path, link);
  assert.equal(readXattrs(link).size, 0);
  setXattr(link, fromText('trusted.own'), fromText('link'));
  assert.deepEqual([...readXattrs(link)], [['trusted.own', 'link']]);
  assert.equal(readXattrs(path).has(fromText('trusted.own')), false);
});

test('a file system without attributes is a file without attributes', () => {
  assert.equal(readXattrs('/proc/self/status').size, 0);
});

test('failures look like those of node:fs', (t) => {
  const path = makeFile(t);
  assert.throws(() => readXattrs('/does not exist/é'), {
    message: "ENOENT: no such file or directory, llistxattr '/does not exist/é'",
    code: 'ENOENT',
    errno: -2,
    syscall: 'llistxattr',
    path: '/does not exist/é',
  });
  assert.throws(() => readXattrs('a\0b'), TypeError);
  assert.throws(() => readXattrs('x'.repeat(20_000)), { code: 'ENAMETOOLONG' });
  if (path !== undefined) assert.throws(() => removeXattr(path, fromText('user.none')), { code: 'ENODATA' });
});

test('worker threads have calls and errors of their own', async () => {
  const source = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(new URL('xattr.ts', import.meta.url).href)}).then(({ readXattrs }) => {
      const codes = new Set();
      for (let i = 0; i < 2000; i++) {
        try { readXattrs(i % 2 ? '/nowhere' : '/proc/self/status/x'); } catch (error) { codes.add(error.code + (i % 2)); }
      }
      parentPort.postMessage([...codes].sort().join());
    });`;
  const answers = await Promise.all(
    Array.from(
      { length: 3 },
      () =>
        new Promise((resolve, reject) => {
          new Worker(source, { eval: true }).once('message', resolve).once('error', reject);
        }),
    ),
  );
  assert.equal(new Set(answers).size, 1);
  assert.match(String(answers[0]), /^ENOENT1,ENOTDIR0$/);
});
