/** What a reader accepts before it calls an archive hostile. */
export interface TarLimits {
  /** Length of one PAX header or GNU long name, and of all global PAX records together. */
  readonly metadataBytes: number;
  /** Length of a path or link target; Linux takes no longer one. */
  readonly pathBytes: number;
  /** Pieces of data in one sparse file. */
  readonly sparseSegments: number;
  /** Zeros given out for the holes of one sparse file, where the handler has no `hole()`. */
  readonly holeBytes: number;
}

export const TAR_LIMITS: TarLimits = {
  metadataBytes: 1024 * 1024,
  pathBytes: 4096,
  sparseSegments: 1024 * 1024,
  holeBytes: 64 * 1024 ** 3,
};
