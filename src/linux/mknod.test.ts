import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasErrno } from '../errors.ts';
import { deviceNumber, makeFifo, makeNode, splitDeviceNumber } from './mknod.ts';

const DEVICES = [
  { major: 1, minor: 3 },
  { major: 0, minor: 0 },
  { major: 259, minor: 70_000 },
  { major: 4095, minor: 2 ** 20 - 1 },
];

test('device numbers encode and decode', () => {
  assert.equal(deviceNumber({ major: 1, minor: 3 }), 0x103n);
  for (const device of [...DEVICES, { major: 2 ** 32 - 1, minor: 2 ** 32 - 1 }]) {
    assert.deepEqual(splitDeviceNumber(deviceNumber(device)), device);
  }
});

test('nodes and pipes are made with their numbers and modes', (t) => {
  const directory = fs.mkdtempSync(join(tmpdir(), 'kasane-mknod-'));
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const umask = process.umask(0);
  t.after(() => process.umask(umask));
  makeFifo(join(directory, 'fifo'), 0o642);
  assert.equal(fs.lstatSync(join(directory, 'fifo')).mode, fs.constants.S_IFIFO | 0o642);
  assert.throws(() => makeFifo(join(directory, 'fifo'), 0o600), { code: 'EEXIST', syscall: 'mknod' });
  for (const [i, device] of DEVICES.entries()) {
    const path = join(directory, `${i}`);
    const type = i % 2 === 0 ? 'character' : 'block';
    try {
      makeNode(path, type, 0o1660, device);
    } catch (error) {
      if (!hasErrno(error, 'EPERM')) throw error;
      t.skip('device nodes may not be made here');
      return;
    }
    const stat = fs.lstatSync(path, { bigint: true });
    assert.deepEqual(splitDeviceNumber(stat.rdev), device);
    assert.equal(stat.isCharacterDevice(), type === 'character');
    assert.equal(stat.mode & 0o7777n, 0o1660n);
  }
});
