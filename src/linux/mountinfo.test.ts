import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteString } from '../byteString.ts';
import { parseMountinfo, readMounts } from './mountinfo.ts';

test('a line is read with its escapes and optional fields', () => {
  const text = [
    '36 35 98:0 /mnt1 /mnt\\0402\\134\\011\\012\\043x rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue',
    '40 36 0:50 / /caf\xc3\xa9 ro - overlay overlay rw,lowerdir=/a\\040b:/c',
    '41 36 0:51 / /- rw shared:7 - tmpfs  rw',
    '',
  ].join('\n');
  const [first, second, third] = parseMountinfo(text as ByteString);
  assert.deepEqual(first, {
    id: 36,
    parentId: 35,
    deviceMajor: 98,
    deviceMinor: 0,
    root: '/mnt1',
    target: '/mnt 2\\\t\n#x',
    options: ['rw', 'noatime'],
    propagation: ['master:1', 'propagate_from:2'],
    type: 'ext3',
    source: '/dev/root',
    fileSystemOptions: ['rw', 'errors=continue'],
  });
  assert.deepEqual(
    [second?.target, second?.propagation, second?.fileSystemOptions[1]],
    ['/caf\xc3\xa9', [], 'lowerdir=/a b:/c'],
  );
  assert.deepEqual([third?.target, third?.source, third?.propagation], ['/-', '', ['shared:7']]);
});

test('a line that is cut is an error', () => {
  for (const line of ['36 35 98:0 /mnt1', '36 35 98:0 / / rw - ext3 x']) {
    assert.throws(() => parseMountinfo(line as ByteString), /not a line of mountinfo/);
  }
});

test('the mounts of this process have a root and /proc', () => {
  const targets = new Set<string>(readMounts().map(({ target }) => target));
  assert.ok(targets.has('/') && targets.has('/proc'));
});
