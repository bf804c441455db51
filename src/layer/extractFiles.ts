import { closeSync, constants, openSync, writeSync } from 'node:fs';
import type { Layer } from '../image/image.ts';
import { TarReader } from '../tar/reader.ts';
import { decompress } from './decompress.ts';

/**
 * Writes the contents of some files of a layer to disk in one pass over its blob, which ends as soon as all are there.
 * @param wanted where a file's data starts in the uncompressed tar → the path to write, which must not exist
 */
export async function extractFiles(
  blob: AsyncIterable<Uint8Array>,
  layer: Layer,
  wanted: ReadonlyMap<number, string | Buffer>,
): Promise<void> {
  let missing = wanted.size;
  let descriptor: number | undefined;
  const reader = new TarReader({
    entry(_header, offset) {
      const path = wanted.get(offset);
      if (path === undefined) return;
      descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    },
    data(chunk) {
      if (descriptor === undefined) return;
      for (let at = 0; at < chunk.length;) at += writeSync(descriptor, chunk, at, chunk.length - at);
    },
    endEntry() {
      if (descriptor === undefined) return;
      closeSync(descriptor);
      descriptor = undefined;
      missing--;
    },
  });
  if (missing === 0) return;
  try {
    for await (const chunk of decompress(blob, `layer ${layer.descriptor.digest}`)) {
      reader.write(chunk);
      if (missing === 0) return;
    }
    reader.end();
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
  throw new Error(`layer ${layer.diffId} lacks ${missing} files that its listing has`);
}
