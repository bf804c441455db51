import { BuildError } from '../errors.ts';
import type { ImageConfig } from '../image/config.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Layer } from '../image/image.ts';
import { MEDIA_TYPES } from '../image/mediaType.ts';

/** An image among files: for each layer the name of its file. */
export interface FiledImage {
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
  readonly layerFiles: ReadonlyMap<Layer, string>;
}

/** @throws BuildError `MANIFEST_INVALID` if manifest and configuration disagree about the number of layers */
export function filedImage(
  config: ImageConfig,
  files: readonly { readonly descriptor?: Descriptor; readonly file: string }[],
): FiledImage {
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== files.length) {
    throw new BuildError(
      'MANIFEST_INVALID',
      `the manifest has ${files.length} layers, but the configuration ${diffIds.length}`,
    );
  }
  const layerFiles = new Map<Layer, string>();
  for (const [index, diffId] of diffIds.entries()) {
    const { descriptor = uncompressed(diffId), file = '' } = files[index] ?? {};
    layerFiles.set({ descriptor, diffId, locations: [] }, file);
  }
  return { config, layers: [...layerFiles.keys()], layerFiles };
}

function uncompressed(digest: Layer['diffId']): Descriptor {
  return { mediaType: MEDIA_TYPES.docker.layer, digest, size: 0 };
}
