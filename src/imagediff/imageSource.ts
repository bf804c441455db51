/**
 * Compares two images entry by entry: `openImage` finds them wherever they lie, `readRootfs` merges their layers, `compareRootfs`
 * and `compareConfiguration` say what differs, `writeReport` tells it.
 */
import { existsSync, statSync } from 'node:fs';
import { BuildError } from '../errors.ts';
import type { ImageConfig } from '../image/config.ts';
import type { Layer } from '../image/image.ts';
import type { Platform } from '../image/platform.ts';
import type { RegistryClient } from '../registry/client.ts';
import { parseReference } from '../registry/reference.ts';
import { readDockerArchive } from './dockerArchive.ts';
import type { FiledImage } from './filedImage.ts';
import { openArchiveFiles, openDirectoryFiles, type FileSet } from './fileSet.ts';
import { readOciLayout } from './ociLayout.ts';

/** An image that can be read, wherever it lies. */
export interface ImageSource extends AsyncDisposable {
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
  /** The layer's blob, compressed or not. */
  open(layer: Layer): AsyncIterable<Uint8Array>;
}

export interface ImageSourceOptions {
  readonly platform: Platform;
  readonly registry: RegistryClient;
  /** For archives that are compressed. */
  readonly scratchDirectory: string;
}

/**
 * `docker://REFERENCE` or a bare reference, `oci:DIRECTORY[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:REFERENCE]`,
 * or a path that begins with `/` or `.`: a layout's directory or an archive of either kind.
 * @throws BuildError `IMAGE_NOT_FOUND`, `REFERENCE_INVALID`, those of the registry client and of manifests
 */
export async function openImage(name: string, options: ImageSourceOptions): Promise<ImageSource> {
  const transport = /^(oci|oci-archive|docker-archive):/.exec(name)?.[1];
  if (transport === undefined) {
    return /^[./]/.test(name) ? openPath(name, options) : openFromRegistry(name.replace(/^docker:\/\//, ''), options);
  }
  const [, path = '', wanted] = /^([^:]*)(?::(.*))?$/s.exec(name.slice(transport.length + 1)) ?? [];
  if (!existsSync(path)) throw new BuildError('IMAGE_NOT_FOUND', `${name}: ${path} does not exist`);
  if (transport === 'oci')
    return fromFiles(openDirectoryFiles(path), (files) => readOciLayout(files, wanted, options.platform));
  const files = await openArchiveFiles(path, options.scratchDirectory);
  return fromFiles(files, () =>
    transport === 'oci-archive' ? readOciLayout(files, wanted, options.platform) : readDockerArchive(files, wanted),
  );
}

async function openPath(path: string, options: ImageSourceOptions): Promise<ImageSource> {
  if (!existsSync(path)) throw new BuildError('IMAGE_NOT_FOUND', `${path} does not exist`);
  const files = statSync(path).isDirectory()
    ? openDirectoryFiles(path)
    : await openArchiveFiles(path, options.scratchDirectory);
  return fromFiles(files, () =>
    files.has('manifest.json') ? readDockerArchive(files) : readOciLayout(files, undefined, options.platform),
  );
}

function fromFiles(files: FileSet, read: (files: FileSet) => FiledImage): ImageSource {
  try {
    const { config, layers, layerFiles } = read(files);
    return {
      config,
      layers,
      open: (layer) => files.open(layerFiles.get(layer) ?? ''),
      [Symbol.asyncDispose]: () => Promise.resolve(files.close()),
    };
  } catch (error) {
    files.close();
    throw error;
  }
}

async function openFromRegistry(text: string, { registry, platform }: ImageSourceOptions): Promise<ImageSource> {
  const reference = parseReference(text);
  const { config, layers } = await registry.resolveImage(reference, platform);
  return {
    config,
    layers,
    open: (layer) => registry.openBlob(reference, layer.descriptor),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
