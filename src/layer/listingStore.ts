import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { digestHex } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';
import { LayerListing } from '../tree/layerListing.ts';
import { readLayer } from './readLayer.ts';

/**
 * Listings of layers by diffID, kept on disk, so that a layer is read for its listing once. What can't be read back is made anew.
 */
export class ListingStore {
  readonly #directory: string;
  readonly #read: (layer: Layer) => AsyncIterable<Uint8Array>;
  readonly #underWay = new Map<string, Promise<LayerListing>>();

  /** `read` gives the blob's verified bytes, wherever they come from. */
  constructor(directory: string, read: (layer: Layer) => AsyncIterable<Uint8Array>) {
    this.#directory = directory;
    this.#read = read;
    mkdirSync(directory, { recursive: true });
  }

  /** Reads the layer only if nobody has listed it before. */
  get(layer: Layer): Promise<LayerListing> {
    let listing = this.#underWay.get(layer.diffId);
    if (listing === undefined) {
      listing = this.#get(layer).finally(() => this.#underWay.delete(layer.diffId));
      this.#underWay.set(layer.diffId, listing);
    }
    return listing;
  }

  put(layer: Layer, encoded: Uint8Array): void {
    const path = this.#path(layer);
    const temporary = `${path}.${randomUUID()}`;
    writeFileSync(temporary, encoded);
    renameSync(temporary, path);
  }

  /** The listing, if it is known in this version's form. */
  stored(layer: Layer): LayerListing | undefined {
    try {
      return LayerListing.decode(readFileSync(this.#path(layer)));
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  async #get(layer: Layer): Promise<LayerListing> {
    const stored = this.stored(layer);
    if (stored !== undefined) return stored;
    const listing = LayerListing.empty();
    await readLayer(this.#read(layer), layer, { entry: (header, offset) => listing.append(header, offset) });
    this.put(layer, listing.encode());
    return listing;
  }

  #path(layer: Layer): string {
    return join(this.#directory, digestHex(layer.diffId));
  }
}
