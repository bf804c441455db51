import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fromText } from '../byteString.ts';
import { BuildError, messageOf } from '../errors.ts';
import { digestHex } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';
import { encodeTarHeader, TAR_END, tarPadding } from '../tar/writer.ts';
import { newEntry } from '../tree/entry.ts';
import type { PackedImage } from './packImage.ts';

export type ReadLayerBlob = (layer: Layer) => AsyncIterable<Uint8Array>;

/**
 * Writes what `docker load` reads: configuration, layers as their registry blobs, manifest.json with the tags; the file names are those of
 * kaniko's archives. Written in place, since the path may be a mount.
 * @throws BuildError `OUTPUT_FAILED`
 */
export async function writeDockerArchive(
  path: string,
  packed: PackedImage,
  tags: readonly string[],
  readBlob: ReadLayerBlob,
): Promise<void> {
  try {
    mkdirSync(dirname(path), { recursive: true });
    await pipeline(archiveChunks(packed, tags, readBlob), createWriteStream(path));
  } catch (error) {
    if (error instanceof BuildError) throw error;
    throw new BuildError('OUTPUT_FAILED', `can't write the archive ${path}: ${messageOf(error)}`, { cause: error });
  }
}

async function* archiveChunks(
  { config, image }: PackedImage,
  tags: readonly string[],
  readBlob: ReadLayerBlob,
): AsyncGenerator<Uint8Array> {
  const configName = config.descriptor.digest;
  yield* fileChunks(configName, config.bytes);
  const layers = new Map(image.layers.map((layer) => [layerName(layer), layer]));
  for (const [name, layer] of layers) {
    yield fileHeader(name, layer.descriptor.size);
    yield* readBlob(layer);
    yield tarPadding(layer.descriptor.size);
  }
  const manifest = [{ Config: configName, RepoTags: tags, Layers: image.layers.map(layerName) }];
  yield* fileChunks('manifest.json', Buffer.from(JSON.stringify(manifest)));
  yield TAR_END;
}

function* fileChunks(name: string, bytes: Uint8Array): Generator<Uint8Array> {
  yield fileHeader(name, bytes.length);
  yield bytes;
  yield tarPadding(bytes.length);
}

function layerName(layer: Layer): string {
  return `${digestHex(layer.descriptor.digest)}.tar.gz`;
}

function fileHeader(name: string, size: number): Uint8Array {
  return encodeTarHeader({ ...newEntry('file', { mode: 0o644, size }), path: fromText(name) });
}
