import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromText, type ByteString } from '../byteString.ts';
import { newEntry, isUnchanged, type Entry } from './entry.ts';
import { plainCapability } from './fileCapability.ts';

const V2 = bytes('0100000200040000000000000000000000000000');
const V3 = bytes('0100000300040000000000000000000000000000e8030000');

function bytes(hex: string): ByteString {
  return Buffer.from(hex, 'hex').toString('latin1') as ByteString;
}

function capable(value: ByteString): Entry {
  return newEntry('file', { xattrs: new Map([[fromText('security.capability'), value]]) });
}

test("a file's capability is the same whichever user namespace it was set in", () => {
  assert.equal(plainCapability(V3), V2);
  assert.equal(plainCapability(V2), V2);
  assert.ok(isUnchanged(capable(V2), capable(V3)) && isUnchanged(capable(V3), capable(V2)));
});

test('what is no capability of a user namespace stays as it is', () => {
  for (const value of ['', 'x', bytes('010000010000000000000000'), `${V3}more`, V3.slice(0, 20)]) {
    assert.equal(plainCapability(value as ByteString), value);
  }
  const other = bytes('0100000200080000000000000000000000000000');
  assert.ok(!isUnchanged(capable(other), capable(V3)));
});
