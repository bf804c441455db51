import { digestOf } from '../image/digest.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Image, Layer } from '../image/image.ts';
import { encodeManifest } from '../image/manifest.ts';
import { layerCompression, layerMediaType, MEDIA_TYPES, type ImageFormat } from '../image/mediaType.ts';

/** An image as the documents that are stored: what every output writes. */
export interface PackedImage {
  readonly image: Image;
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  readonly manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
}

/** The same image gives the same bytes. */
export function packImage(image: Image): PackedImage {
  const types = MEDIA_TYPES[image.format];
  const configBytes = Buffer.from(JSON.stringify(image.config));
  const config = { mediaType: types.config, digest: digestOf(configBytes), size: configBytes.length };
  const manifestBytes = encodeManifest(image, config);
  const manifest = { mediaType: types.manifest, digest: digestOf(manifestBytes), size: manifestBytes.length };
  return {
    image,
    config: { descriptor: config, bytes: configBytes },
    manifest: { descriptor: manifest, bytes: manifestBytes },
  };
}

/** The image with media types of another family; the blobs stay as they are. */
export function withFormat(image: Image, format: ImageFormat): Image {
  if (image.format === format && image.layers.every((layer) => relabel(layer, format) === layer)) return image;
  return { ...image, format, layers: image.layers.map((layer) => relabel(layer, format)) };
}

function relabel(layer: Layer, format: ImageFormat): Layer {
  // Foreign layers keep their type: it says that they are not to be pushed.
  if (layer.descriptor.urls !== undefined) return layer;
  const compression = layerCompression(layer.descriptor.mediaType);
  if (compression === undefined) return layer;
  const mediaType = layerMediaType(format, compression);
  return mediaType === layer.descriptor.mediaType
    ? layer
    : { ...layer, descriptor: { ...layer.descriptor, mediaType } };
}
