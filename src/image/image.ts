import type { ImageConfig } from './config.ts';
import type { Descriptor } from './descriptor.ts';
import type { Digest } from './digest.ts';
import type { ImageFormat } from './mediaType.ts';

/** Where a blob's bytes can be had. They move only when something reads them. */
type BlobLocation =
  | { readonly kind: 'store' }
  | { readonly kind: 'registry'; readonly registry: string; readonly repository: string };

/** One layer: what it is called, compressed and not, and where it lies. Every location holds the same bytes. */
export interface Layer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly locations: readonly BlobLocation[];
}

/** An image as a value: never changed, only derived. `layers` and `config.rootfs.diff_ids` agree. */
export interface Image {
  readonly format: ImageFormat;
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
  /** Of the manifest it was read from; absent for scratch and for what this build made. */
  readonly digest?: Digest;
}
