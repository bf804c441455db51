import { BuildError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { digestHex, digestOf } from '../image/digest.ts';
import { parseImageConfig, parseIndex, parseManifestDocument } from '../image/manifest.ts';
import { isIndexMediaType } from '../image/mediaType.ts';
import { formatPlatform, selectPlatform, type Platform } from '../image/platform.ts';
import type { FileSet } from './fileSet.ts';
import { filedImage, type FiledImage } from './filedImage.ts';

/**
 * The image of an OCI image layout (image-layout.md) that is tagged so, or the only one.
 * @throws BuildError `IMAGE_NOT_FOUND`, `IMAGE_PLATFORM_MISSING`, `MANIFEST_INVALID`, `BLOB_CORRUPT`
 */
export function readOciLayout(files: FileSet, tag: string | undefined, platform: Platform): FiledImage {
  let descriptor = select(parseIndex(files.read('index.json')).manifests, tag);
  for (let depth = 0; isIndexMediaType(descriptor.mediaType) && depth < MAX_INDEX_DEPTH; depth++) {
    const { manifests } = parseIndex(readBlob(files, descriptor), descriptor.mediaType);
    const selected = selectPlatform(manifests, platform);
    if (selected === undefined) {
      throw new BuildError('IMAGE_PLATFORM_MISSING', `the layout has no image for ${formatPlatform(platform)}`);
    }
    descriptor = selected;
  }
  const document = parseManifestDocument(readBlob(files, descriptor), descriptor.mediaType);
  if (document.kind === 'index')
    throw new BuildError('IMAGE_UNSUPPORTED', 'the layout is an index of indexes, nested too deep');
  const { config, layers } = document.manifest;
  return filedImage(
    parseImageConfig(readBlob(files, config)),
    layers.map((layer) => ({ descriptor: layer, file: blobFile(layer) })),
  );
}

const MAX_INDEX_DEPTH = 3;

function select(manifests: readonly Descriptor[], tag: string | undefined): Descriptor {
  const named = manifests.filter((manifest) => tag === undefined || manifest.annotations?.[REF_NAME] === tag);
  const [only] = named;
  if (only !== undefined && named.length === 1) return only;
  const tags = manifests.map((manifest) => manifest.annotations?.[REF_NAME] ?? manifest.digest).join(', ');
  throw new BuildError(
    'IMAGE_NOT_FOUND',
    named.length === 0
      ? `the layout has no image ${tag ?? ''}; it has ${tags || 'none at all'}`
      : `the layout has several images: ${tags}`,
    { hint: 'Name one of them behind the path, as oci:DIRECTORY:TAG.' },
  );
}

const REF_NAME = 'org.opencontainers.image.ref.name';

function readBlob(files: FileSet, descriptor: Descriptor): Buffer {
  const bytes = files.read(blobFile(descriptor));
  if (digestOf(bytes) !== descriptor.digest) {
    throw new BuildError('BLOB_CORRUPT', `the layout's blob ${descriptor.digest} holds something else`);
  }
  return bytes;
}

function blobFile({ digest }: Pick<Descriptor, 'digest'>): string {
  return `blobs/sha256/${digestHex(digest)}`;
}
