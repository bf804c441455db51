import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fromText } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import { collectEntries } from './collectEntries.ts';
import type { TarHeader } from './header.ts';
import { NO_XATTRS } from './header.ts';
import { TarReader } from './reader.ts';
import { encodeTarHeader, TAR_END, tarPadding } from './writer.ts';

const FILE: TarHeader = {
  type: 'file',
  path: fromText('dir/file'),
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  linkTarget: fromText(''),
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: NO_XATTRS,
};

/** A header block with a type and raw fields of its own, its checksum made right. */
function rawBlock(type: string, size: number, fields: Readonly<Record<number, string>> = {}): Buffer {
  const block = Buffer.from(encodeTarHeader({ ...FILE, size }));
  block.write(type, 156, 'latin1');
  for (const [at, text] of Object.entries(fields)) block.write(text, Number(at), 'latin1');
  return repairChecksum(block);
}

function repairChecksum(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function padded(text: string): Buffer {
  return Buffer.concat([Buffer.from(text, 'latin1'), tarPadding(text.length)]);
}

function paxRecord(key: string, value: string): string {
  let length = key.length + value.length + 3;
  while (`${length} ${key}=${value}\n`.length !== length) length = `${length} ${key}=${value}\n`.length;
  return `${length} ${key}=${value}\n`;
}

function paxHeader(records: string): Buffer {
  return Buffer.concat([rawBlock('x', records.length), padded(records)]);
}

function withPax(key: string, value: string): Buffer {
  return Buffer.concat([paxHeader(paxRecord(key, value)), rawBlock('0', 0), TAR_END]);
}

function sparse(key: string, map: string, size: number, stored: number): Buffer {
  const records = paxRecord(key, map) + paxRecord('GNU.sparse.size', String(size));
  return Buffer.concat([paxHeader(records), rawBlock('0', stored), padded('d'.repeat(stored)), TAR_END]);
}

function pair(offset: number, length: number): string {
  return [offset, length].map((n) => `${n.toString(8).padStart(11, '0')}\0`).join('');
}

function extension(): Buffer {
  const block = Buffer.alloc(512);
  block.write(pair(0, 0).repeat(21), 0, 'latin1');
  block[504] = 1;
  return block;
}

const GNU = { 257: 'ustar  \0' };

describe('a damaged or hostile archive is refused', () => {
  const invalid: { name: string; archive: Buffer; message: RegExp }[] = [
    { name: 'something else than a tar', archive: Buffer.alloc(1024, 'PK'), message: /checksum/ },
    {
      name: 'a PAX header of gigabytes',
      archive: rawBlock('x', 2 ** 32),
      message: /extended header of 4294967296 bytes/,
    },
    { name: 'a GNU name of gigabytes', archive: rawBlock('L', 2 ** 32), message: /extended header/ },
    { name: 'a negative size', archive: rawBlock('0', 0, { 124: '\xff'.repeat(12) }), message: /the size -1/ },
    {
      name: 'a size beyond 2^53',
      archive: rawBlock('0', 0, { 124: '\x80' + '\x7f'.repeat(11) }),
      message: /size .* not a number/,
    },
    {
      name: 'a size that is no number',
      archive: rawBlock('0', 0, { 124: '12345678x' }),
      message: /size .* not a number/,
    },
    {
      name: 'a size of two numbers',
      archive: rawBlock('0', 0, { 124: '0000 0000012' }),
      message: /size .* not a number/,
    },
    { name: 'a negative PAX size', archive: withPax('size', '-1'), message: /the size -1/ },
    { name: 'a PAX size that is no number', archive: withPax('size', '1e3'), message: /no valid number/ },
    { name: 'a user id beyond 32 bits', archive: withPax('uid', '4294967296'), message: /user id/ },
    { name: 'a time that is none', archive: withPax('mtime', 'yesterday'), message: /no valid time/ },
    { name: 'a NUL in a path', archive: withPax('path', 'a\0b'), message: /NUL/ },
    {
      name: 'a path longer than Linux takes',
      archive: withPax('path', 'p'.repeat(4097)),
      message: /path of 4097 bytes/,
    },
    {
      name: 'a PAX record longer than its header',
      archive: Buffer.concat([paxHeader('999 path=x\n'), rawBlock('0', 0)]),
      message: /malformed/,
    },
    {
      name: 'a PAX record of length 0',
      archive: Buffer.concat([paxHeader('0 path=x\n'), rawBlock('0', 0)]),
      message: /malformed/,
    },
    {
      name: 'a PAX header without an entry',
      archive: Buffer.concat([paxHeader(paxRecord('path', 'x')), TAR_END]),
      message: /without an entry/,
    },
    { name: 'an end after a PAX header', archive: paxHeader(paxRecord('path', 'x')), message: /ends too early/ },
    {
      name: 'one block of zeros between entries',
      archive: Buffer.concat([rawBlock('0', 0), Buffer.alloc(512), rawBlock('0', 0)]),
      message: /single block/,
    },
    { name: 'a sparse map out of order', archive: sparse('GNU.sparse.map', '10,5,0,5', 100, 10), message: /overlap/ },
    { name: 'a sparse map beyond the file', archive: sparse('GNU.sparse.map', '98,10', 100, 10), message: /outside/ },
    {
      name: 'a sparse map without its data',
      archive: sparse('GNU.sparse.map', '0,10', 100, 9),
      message: /map speaks of 10/,
    },
    { name: 'a sparse file of size -1', archive: sparse('GNU.sparse.map', '', -1, 0), message: /size -1/ },
    {
      name: 'an endless old sparse map',
      archive: Buffer.concat([
        rawBlock('S', 0, { ...GNU, 386: pair(0, 0), 482: '\x01' }),
        ...Array.from({ length: 60 }, () => extension()),
      ]),
      message: /more than 1000 pieces/,
    },
    { name: 'an old sparse file in ustar', archive: rawBlock('S', 0), message: /without a GNU header/ },
  ];
  for (const { name, archive, message } of invalid) {
    test(name, () => {
      for (const chunkSize of [1, 1000, archive.length]) {
        assert.throws(
          () => collectEntries(archive, { chunkSize, limits: { sparseSegments: 1000 } }),
          (error) => {
            assert.ok(error instanceof BuildError);
            assert.equal(error.code, 'TAR_INVALID');
            assert.match(error.message, message);
            return true;
          },
        );
      }
    });
  }

  test('what kasane cannot make a file of is named', () => {
    for (const type of ['V', 'M', 'D', 'Z']) {
      assert.throws(() => collectEntries(rawBlock(type, 0)), { code: 'TAR_UNSUPPORTED', message: /dir\/file/ });
    }
  });

  test('a sparse file of petabytes is refused where nobody takes holes, and told in one call where somebody does', () => {
    const bomb = sparse('GNU.sparse.map', '', 2 ** 50, 0);
    assert.throws(() => collectEntries(bomb), { code: 'TAR_UNSUPPORTED', message: /too large to unfold/ });
    assert.equal(collectEntries(bomb, { holes: true })[0]?.holeBytes, 2 ** 50);
    const headers: TarHeader[] = [];
    new TarReader({ entry: (header) => headers.push(header) }).write(bomb);
    assert.equal(headers[0]?.size, 2 ** 50);
  });
});

describe('extended headers do not reach further than they may', () => {
  test('a PAX size does not change the GNU long name after it', () => {
    const archive = Buffer.concat([
      paxHeader(paxRecord('size', '3') + paxRecord('path', 'from-pax')),
      rawBlock('L', 9, GNU),
      padded('long-name'),
      rawBlock('0', 0),
      padded('abc'),
      rawBlock('0', 0),
      TAR_END,
    ]);
    const entries = collectEntries(archive).map(({ header, dataBytes }) => [header.path, dataBytes]);
    assert.deepEqual(entries, [
      ['long-name', 3],
      ['dir/file', 0],
    ]);
  });

  test('what follows two blocks of zeros is not read', () => {
    const archive = Buffer.concat([rawBlock('0', 0), TAR_END, Buffer.alloc(700, 'garbage')]);
    for (const chunkSize of [1, 700, 5000]) assert.equal(collectEntries(archive, { chunkSize }).length, 1);
  });
});

test('an archive cut anywhere is an error, except between entries', () => {
  const content = padded('x'.repeat(700));
  const header = encodeTarHeader({ ...FILE, path: fromText('long/'.repeat(60)), type: 'directory' });
  const archive = Buffer.concat([header, encodeTarHeader({ ...FILE, size: 700 }), content, TAR_END]);
  const fileEnd = header.length + 512 + 700;
  for (let length = 0; length <= archive.length; length++) {
    const cut = (): unknown => collectEntries(archive.subarray(0, length), { chunkSize: 999 });
    const inPadding = length >= fileEnd && length <= header.length + 512 + content.length;
    const inEnd = length > fileEnd && length % 512 === 0;
    if (length === 0 || length === header.length || inPadding || inEnd || length > archive.length - 512) {
      const isWhole = length % 512 === 0 || inPadding;
      if (isWhole) assert.doesNotThrow(cut, `cut at ${length}`);
    } else {
      assert.throws(cut, { code: 'TAR_INVALID' }, `cut at ${length}`);
    }
  }
});

const limits = { holeBytes: 2 ** 20, metadataBytes: 2 ** 16 };

function readsOrRefuses(archive: Buffer, chunkSize: number): void {
  try {
    collectEntries(archive, { chunkSize, limits });
  } catch (error) {
    assert.ok(error instanceof BuildError, String(error));
  }
}

test('random bytes are refused, never crash or hang', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 512, maxLength: 4096 }),
      fc.integer({ min: 1, max: 600 }),
      (bytes, chunkSize) => {
        const block = Buffer.from(bytes);
        readsOrRefuses(block, chunkSize);
        readsOrRefuses(repairChecksum(block), chunkSize);
      },
    ),
    { numRuns: 300 },
  );
});

test('an archive with changed bytes is read or refused, never crashes or hangs', () => {
  const seed = Buffer.concat([
    paxHeader(paxRecord('path', 'p'.repeat(200)) + paxRecord('SCHILY.xattr.user.a', '\xff\0')),
    rawBlock('0', 3),
    padded('abc'),
    rawBlock('L', 5, GNU),
    padded('name\0'),
    rawBlock('S', 512, { ...GNU, 386: `${'0'.repeat(11)}\0${'1000'.padStart(11, '0')}\0`, 483: '0000010000' }),
    Buffer.alloc(512, 'z'),
    paxHeader(
      paxRecord('GNU.sparse.major', '1') + paxRecord('GNU.sparse.minor', '0') + paxRecord('GNU.sparse.realsize', '900'),
    ),
    rawBlock('0', 1024),
    padded('1\n100\n512\n'),
    Buffer.alloc(512, 'w'),
    TAR_END,
  ]);
  assert.equal(collectEntries(seed).length, 3);
  const change = fc.record({
    at: fc.nat(seed.length - 1),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 0x20, 0x30, 0x37, 0x80, 0xff)),
  });
  fc.assert(
    fc.property(
      fc.array(change, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 2000 }),
      (changes, chunkSize) => {
        const archive = Buffer.from(seed);
        for (const { at, byte } of changes) {
          archive[at] = byte;
          repairChecksum(archive.subarray(at - (at % 512)));
        }
        readsOrRefuses(archive, chunkSize);
      },
    ),
    { numRuns: 1000 },
  );
});
