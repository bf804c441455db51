import { createHash, type Hash } from 'node:crypto';
import type { Layer } from '../image/image.ts';
import { TarReader } from '../tar/reader.ts';
import { decompress } from './decompress.ts';

/** sha256, in hexadecimal, of some files of a layer, by where their data starts; one pass over the blob, which ends at the last of them. */
export async function hashFiles(
  blob: AsyncIterable<Uint8Array>,
  layer: Layer,
  wanted: ReadonlySet<number>,
): Promise<Map<number, string>> {
  const digests = new Map<number, string>();
  let current: { readonly offset: number; readonly hash: Hash } | undefined;
  const reader = new TarReader({
    entry(_header, offset) {
      current = wanted.has(offset) ? { offset, hash: createHash('sha256') } : undefined;
    },
    data(chunk) {
      current?.hash.update(chunk);
    },
    endEntry() {
      if (current !== undefined) digests.set(current.offset, current.hash.digest('hex'));
      current = undefined;
    },
  });
  for await (const chunk of decompress(blob, `layer ${layer.descriptor.digest}`)) {
    reader.write(chunk);
    if (digests.size === wanted.size) return digests;
  }
  reader.end();
  if (digests.size < wanted.size) throw new Error(`layer ${layer.diffId} lacks files that its listing has`);
  return digests;
}
