import { createHash } from 'node:crypto';
import {
  createWriteStream,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

/** A tar archive to be made a layer, or all layers of another layout. */
export type LayoutLayer =
  | { readonly tar: () => AsyncIterable<Uint8Array> }
  /** The directory of a layout that `writeLayout` wrote. */
  | { readonly layersOf: string };

export interface LayoutConfig {
  readonly Env?: readonly string[];
  readonly Cmd?: readonly string[];
}

interface Written {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly diffId: string;
}

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64' };

/**
 * An OCI layout with one image, tagged `latest`. Written for tests with nothing of kasane's own, so that it proves something.
 * The directory appears whole or not at all; one that is there already is kept.
 */
export async function writeLayout(
  directory: string,
  layers: readonly LayoutLayer[],
  config: LayoutConfig,
): Promise<void> {
  const temporary = `${directory}.${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(join(temporary, 'blobs/sha256'), { recursive: true });
  try {
    const written: Written[] = [];
    for (const layer of layers) {
      if ('layersOf' in layer) written.push(...takeLayers(layer.layersOf, temporary));
      else written.push(await writeLayer(temporary, layer.tar()));
    }
    writeDocuments(temporary, written, config);
    renameSync(temporary, directory);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    // Another process was faster.
    if (!(error instanceof Error && 'code' in error && ['ENOTEMPTY', 'EEXIST'].includes(String(error.code))))
      throw error;
  }
}

function writeDocuments(directory: string, layers: readonly Written[], config: LayoutConfig): void {
  const created = '2026-01-01T00:00:00Z';
  const configBlob = writeBlob(directory, {
    created,
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map((_layer, index) => ({ created, created_by: `test base, layer ${index + 1}` })),
  });
  const manifest = writeBlob(directory, {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, ...configBlob },
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  });
  writeJson(join(directory, 'index.json'), {
    schemaVersion: 2,
    manifests: [{ mediaType: MANIFEST, ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'latest' } }],
  });
  writeJson(join(directory, 'oci-layout'), { imageLayoutVersion: '1.0.0' });
}

async function writeLayer(directory: string, tar: AsyncIterable<Uint8Array>): Promise<Written> {
  const temporary = join(directory, 'layer');
  const [diffId, digest] = [createHash('sha256'), createHash('sha256')];
  await pipeline(
    Readable.from(tar),
    tee((chunk) => diffId.update(chunk)),
    createGzip({ level: 1, chunkSize: 256 << 10 }),
    tee((chunk) => digest.update(chunk)),
    createWriteStream(temporary),
  );
  const written = `sha256:${digest.digest('hex')}`;
  const { size } = statSync(temporary);
  renameSync(temporary, blobPath(directory, written));
  return { mediaType: LAYER, digest: written, size, diffId: `sha256:${diffId.digest('hex')}` };
}

function tee(look: (chunk: Uint8Array) => unknown): Transform {
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      look(chunk);
      done(null, chunk);
    },
  });
}

/** The layers of a layout that `writeLayout` wrote, each with the path of its blob. */
export function readLayers(directory: string): (Written & { readonly path: string })[] {
  const { manifests } = readJson(join(directory, 'index.json')) as { manifests: [{ digest: string }] };
  const manifest = readJson(blobPath(directory, manifests[0].digest)) as {
    config: { digest: string };
    layers: Omit<Written, 'diffId'>[];
  };
  const config = readJson(blobPath(directory, manifest.config.digest)) as { rootfs: { diff_ids: string[] } };
  return manifest.layers.map((layer, index) => {
    const diffId = config.rootfs.diff_ids[index] ?? '';
    return {
      mediaType: layer.mediaType,
      digest: layer.digest,
      size: layer.size,
      diffId,
      path: blobPath(directory, layer.digest),
    };
  });
}

function takeLayers(from: string, to: string): Written[] {
  return readLayers(from).map(({ path, ...layer }) => {
    linkSync(path, blobPath(to, layer.digest));
    return layer;
  });
}

function writeBlob(directory: string, document: unknown): { digest: string; size: number } {
  const text = JSON.stringify(document);
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  writeFileSync(blobPath(directory, digest), text);
  return { digest, size: Buffer.byteLength(text) };
}

function blobPath(directory: string, digest: string): string {
  return join(directory, 'blobs/sha256', digest.slice('sha256:'.length));
}

function writeJson(path: string, document: unknown): void {
  writeFileSync(path, JSON.stringify(document));
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}
