import { createWriteStream, existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BuildError, messageOf } from '../errors.ts';
import { digestHex } from '../image/digest.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { MEDIA_TYPES } from '../image/mediaType.ts';
import type { ReadLayerBlob } from './dockerArchive.ts';
import type { PackedImage } from './packImage.ts';

const REF_NAME = 'org.opencontainers.image.ref.name';

/**
 * Writes an OCI image layout (image-layout.md) with this one image; blobs that are there already stay.
 * @param tag the name tools find it by
 * @throws BuildError `OUTPUT_FAILED`
 */
export async function writeOciLayout(
  directory: string,
  packed: PackedImage,
  tag: string,
  readBlob: ReadLayerBlob,
): Promise<void> {
  try {
    mkdirSync(join(directory, 'blobs', 'sha256'), { recursive: true });
    for (const layer of packed.image.layers) {
      const path = blobPath(directory, layer.descriptor);
      if (isThere(path, layer.descriptor)) continue;
      // Under its name only when it is whole: a later build trusts what it finds.
      const partial = `${path}.partial`;
      await pipeline(readBlob(layer), createWriteStream(partial));
      renameSync(partial, path);
    }
    for (const { descriptor, bytes } of [packed.config, packed.manifest]) {
      writeFileSync(blobPath(directory, descriptor), bytes);
    }
    writeFileSync(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    writeFileSync(join(directory, 'index.json'), indexOf(packed, tag));
  } catch (error) {
    if (error instanceof BuildError) throw error;
    throw new BuildError('OUTPUT_FAILED', `can't write the OCI layout ${directory}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function indexOf(packed: PackedImage, tag: string): string {
  const { os, architecture, variant } = packed.image.config;
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.oci.index,
    manifests: [
      {
        ...packed.manifest.descriptor,
        annotations: { [REF_NAME]: tag },
        platform: { architecture, os, ...(variant === undefined ? {} : { variant }) },
      },
    ],
  });
}

function isThere(path: string, descriptor: Descriptor): boolean {
  return existsSync(path) && statSync(path).size === descriptor.size;
}

function blobPath(directory: string, descriptor: Descriptor): string {
  return join(directory, 'blobs', 'sha256', digestHex(descriptor.digest));
}
