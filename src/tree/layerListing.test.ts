import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '../byteString.ts';
import type { TarHeader } from '../tar/header.ts';
import { LayerListing } from './layerListing.ts';
import { file } from './sampleTrees.ts';

const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
const bytes = (maxLength: number): fc.Arbitrary<ByteString> =>
  fc.array(byte, { maxLength }).map((codes) => codes.join('') as ByteString);
const uint32 = fc.nat(2 ** 32 - 1);
const header: fc.Arbitrary<TarHeader> = fc.record<TarHeader>(
  {
    type: fc.constantFrom('file', 'directory', 'symlink', 'character', 'block', 'fifo', 'hardlink'),
    path: fc.oneof(
      bytes(400),
      fc.tuple(fc.constantFrom('usr/share/doc/', 'usr/share/'), bytes(9)).map((parts) => parts.join('') as ByteString),
    ),
    mode: fc.nat(0o7777),
    uid: fc.oneof(fc.constant(0), uint32),
    gid: fc.oneof(fc.constant(0), uint32),
    size: fc.maxSafeNat(),
    mtime: fc.record(
      {
        seconds: fc.oneof(fc.constant(0), fc.maxSafeInteger()),
        nanoseconds: fc.oneof(fc.constant(0), fc.nat(999_999_999)),
      },
      { noNullPrototype: true },
    ),
    linkTarget: bytes(40),
    deviceMajor: fc.oneof(fc.constant(0), uint32),
    deviceMinor: fc.oneof(fc.constant(0), uint32),
    xattrs: fc.array(fc.tuple(bytes(9), bytes(9)), { maxLength: 2 }).map((pairs) => new Map(pairs)),
  },
  { noNullPrototype: true },
);
const headers = fc.array(fc.tuple(header, fc.nat(2 ** 40)), { maxLength: 30 });

function fill(entries: readonly (readonly [TarHeader, number])[]): { listing: LayerListing; expected: unknown[] } {
  const listing = LayerListing.empty();
  let offset = 0;
  const expected = entries.map(([one, step]) => {
    offset += step;
    listing.append(one, offset);
    return { header: one, offset };
  });
  return { listing, expected };
}

suite('a listing says what the archive said', () => {
  test('headers of any kind, as they were appended', () => {
    fc.assert(
      fc.property(headers, (entries) => {
        const { listing, expected } = fill(entries);
        assert.deepEqual([...listing], expected);
        assert.equal(listing.count, expected.length);
      }),
    );
  });

  test('also from the bytes that are kept on disk', () => {
    fc.assert(
      fc.property(headers, (entries) => {
        const { listing, expected } = fill(entries);
        const decoded = LayerListing.decode(listing.encode());
        assert.deepEqual([...(decoded ?? [])], expected);
        assert.equal(decoded?.count, expected.length);
      }),
    );
  });

  test('over more than one chunk', () => {
    const listing = LayerListing.empty();
    const name = 'n'.repeat(4000);
    for (let index = 0; index < 2000; index++) listing.append(file(`${index}${name}`, { size: index }), index * 512);
    const decoded = LayerListing.decode(listing.encode());
    for (const each of [listing, decoded ?? []]) {
      let index = 0;
      for (const entry of each) {
        assert.equal(entry.header.path, `${index}${name}`);
        assert.deepEqual([entry.header.size, entry.offset], [index, index * 512]);
        index++;
      }
      assert.equal(index, 2000);
    }
  });
});

test('bytes that another version wrote, or that were cut off, are no listing', () => {
  const listing = LayerListing.empty();
  listing.append(file('a'), 512);
  const encoded = listing.encode();
  const otherVersion = encoded.slice();
  otherVersion[otherVersion.length - 1] = 1;
  for (const bytesOnDisk of [new Uint8Array(0), new Uint8Array(100), encoded.subarray(0, -1), otherVersion]) {
    assert.equal(LayerListing.decode(bytesOnDisk), undefined);
  }
});

test('a listing of ordinary files takes about 40 bytes an entry', () => {
  const listing = LayerListing.empty();
  for (let index = 0; index < 10_000; index++) {
    const mtime = { seconds: 1_700_000_000 + index, nanoseconds: 0 };
    listing.append(file(`usr/share/doc/package-${index >> 4}/file-${index}.txt`, { size: 5000, mtime }), index * 8192);
  }
  assert.ok(listing.encode().length < 10_000 * 40);
});
