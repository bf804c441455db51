import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ContentDigests } from './contentDigests.ts';

function digestAt(offset: number): Buffer {
  return createHash('sha256').update(String(offset)).digest();
}

test('the digest of every file is found again, and none where no file starts', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat({ max: 2 ** 40 }), { maxLength: 200 }),
      fc.nat({ max: 2 ** 40 }),
      (list, other) => {
        const offsets = list.toSorted((a, b) => a - b);
        const digests = new ContentDigests();
        for (const offset of offsets) digests.append(offset, digestAt(offset));
        for (const offset of offsets) assert.equal(digests.find(offset), digestAt(offset).toString('hex'));
        if (!offsets.includes(other)) assert.equal(digests.find(other), undefined);
      },
    ),
  );
});
