import { once } from 'node:events';
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';
import { finished } from 'node:stream/promises';
import { fromText, type ByteString } from '../byteString.ts';
import { BuildError, messageOf } from '../errors.ts';
import { digestHex } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';
import { NO_XATTRS } from '../tar/header.ts';
import { encodeTarHeader, TAR_END, tarPadding } from '../tar/writer.ts';
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
  const configName = packed.config.descriptor.digest;
  const layers = new Map(packed.image.layers.map((layer) => [layerName(layer), layer]));
  const manifest = [
    { Config: configName, RepoTags: tags, Layers: packed.image.layers.map((layer) => layerName(layer)) },
  ];
  let output: WriteStream | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true });
    output = createWriteStream(path);
    const done = finished(output);
    done.catch(() => undefined);
    const write = async (chunk: Uint8Array): Promise<void> => {
      if (output?.write(chunk) === false) await Promise.race([once(output, 'drain'), done]);
    };
    const add = async (
      name: string,
      size: number,
      chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    ): Promise<void> => {
      await write(encodeTarHeader(fileHeader(name, size)));
      for await (const chunk of chunks) await write(chunk);
      await write(tarPadding(size));
    };
    await add(configName, packed.config.bytes.length, [packed.config.bytes]);
    for (const [name, layer] of layers) await add(name, layer.descriptor.size, readBlob(layer));
    const manifestBytes = Buffer.from(JSON.stringify(manifest));
    await add('manifest.json', manifestBytes.length, [manifestBytes]);
    await write(TAR_END);
    output.end();
    await done;
  } catch (error) {
    output?.destroy();
    if (error instanceof BuildError) throw error;
    throw new BuildError('OUTPUT_FAILED', `can't write the archive ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function layerName(layer: Layer): string {
  return `${digestHex(layer.descriptor.digest)}.tar.gz`;
}

function fileHeader(name: string, size: number): Parameters<typeof encodeTarHeader>[0] {
  return {
    type: 'file',
    path: fromText(name),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size,
    mtime: { seconds: 0, nanoseconds: 0 },
    linkTarget: '' as ByteString,
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: NO_XATTRS,
  };
}
