import { createReadStream } from 'node:fs';
import type { Layer } from '../image/image.ts';
import type { EntryPlace } from '../tree/layerTree.ts';
import { LayerDirectoryWriter, type Unsettled } from './layerDirectoryWriter.ts';
import type { OverlayXattrs } from './overlayXattrs.ts';
import { readLayer } from './readLayer.ts';

export interface UnpackRequest {
  /** The blob, verified, on this disk. */
  readonly blobPath: string;
  readonly layer: Layer;
  /** Exists and is empty. */
  readonly directory: string;
  readonly xattrs: OverlayXattrs;
  readonly places?: readonly EntryPlace[];
}

export interface UnpackResult {
  readonly unsettled: Unsettled;
  /** `LayerListing.encode`. */
  readonly listing: Uint8Array<ArrayBuffer>;
}

/** Unpacks one layer alone into a directory, and lists it, in one pass over its blob. */
export async function unpackLayer(request: UnpackRequest): Promise<UnpackResult> {
  const writer = new LayerDirectoryWriter(request);
  const blob = createReadStream(request.blobPath, { highWaterMark: 256 << 10 });
  await readLayer(blob, request.layer, writer);
  const unsettled = writer.finish();
  return { unsettled, listing: writer.listing.encode() };
}
