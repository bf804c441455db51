import { createHash } from 'node:crypto';
import { BuildError } from '../errors.ts';
import type { Layer } from '../image/image.ts';
import { sha256Digest } from '../image/digest.ts';
import { TarReader, type TarHandler } from '../tar/reader.ts';
import { decompress } from './decompress.ts';

/**
 * Feeds a layer's tar to a handler in one pass and verifies its diffID.
 * @param blob the compressed bytes, already verified against the descriptor
 * @throws BuildError `BLOB_CORRUPT`, `DIFF_ID_MISMATCH`, `TAR_INVALID`
 */
export async function readLayer(blob: AsyncIterable<Uint8Array>, layer: Layer, handler: TarHandler): Promise<void> {
  const name = `layer ${layer.descriptor.digest}`;
  const reader = new TarReader(handler);
  const hash = createHash('sha256');
  for await (const chunk of decompress(blob, name)) {
    hash.update(chunk);
    reader.write(chunk);
  }
  reader.end();
  const actual = sha256Digest(hash.digest('hex'));
  if (actual !== layer.diffId) {
    throw new BuildError(
      'DIFF_ID_MISMATCH',
      `${name} holds other content than its image says: its diffID is ${actual}, not ${layer.diffId}`,
      { facts: { expected: layer.diffId, actual }, hint: 'The image is damaged: push it again.' },
    );
  }
}
