/** Docker's or OCI's family of media types; an image keeps to one. */
export type ImageFormat = 'docker' | 'oci';

export const MEDIA_TYPES = {
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar',
    layerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
    layerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  },
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    index: 'application/vnd.oci.image.index.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar',
    layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
    layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  },
} as const;

export type Compression = 'none' | 'gzip' | 'zstd';

/** How a layer's blob is compressed, by its media type; undefined for what is not a layer we can read. */
export function layerCompression(mediaType: string): Compression | undefined {
  const known: Readonly<Record<string, Compression>> = {
    [MEDIA_TYPES.docker.layer]: 'none',
    [MEDIA_TYPES.docker.layerGzip]: 'gzip',
    [MEDIA_TYPES.docker.layerZstd]: 'zstd',
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip': 'gzip',
    [MEDIA_TYPES.oci.layer]: 'none',
    [MEDIA_TYPES.oci.layerGzip]: 'gzip',
    [MEDIA_TYPES.oci.layerZstd]: 'zstd',
    'application/vnd.oci.image.layer.nondistributable.v1.tar': 'none',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip': 'gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd': 'zstd',
  };
  return known[mediaType];
}

/** The media type of a layer in a format. Docker's zstd type is what Docker itself reads, though no document names it. */
export function layerMediaType(format: ImageFormat, compression: Compression): string {
  const types = MEDIA_TYPES[format];
  return compression === 'gzip' ? types.layerGzip : compression === 'zstd' ? types.layerZstd : types.layer;
}

export function isIndexMediaType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.docker.index || mediaType === MEDIA_TYPES.oci.index;
}

export function formatOfMediaType(mediaType: string): ImageFormat {
  return mediaType.startsWith('application/vnd.oci.') ? 'oci' : 'docker';
}
