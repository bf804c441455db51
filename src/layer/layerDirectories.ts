import { existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fromText, toFsPath, toText, type ByteString } from '../byteString.ts';
import { BuildError, hasErrno } from '../errors.ts';
import { digestHex, digestOf, type Digest } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';
import type { LayerListing } from '../tree/layerListing.ts';
import { LayerTree, type EntryPlace } from '../tree/layerTree.ts';
import { resolvePath } from '../tree/resolve.ts';
import type { TreePath } from '../tree/tree.ts';
import { applyAttributes, type Unsettled } from './layerDirectoryWriter.ts';
import type { OverlayXattrs } from './overlayXattrs.ts';
import type { ListingStore } from './listingStore.ts';
import type { UnpackPool } from './unpackPool.ts';

export interface LayerDirectoriesOptions {
  readonly directory: string;
  /** For what is not finished; on the same file system, and removed when the build ends. */
  readonly scratch: string;
  readonly xattrs: OverlayXattrs;
  readonly pool: UnpackPool;
  readonly listings: ListingStore;
  /** Makes sure that a blob is on this disk, and says where. */
  readonly localBlob: (layer: Layer) => Promise<string>;
}

/** Layers as directories, bottom first, and the tree they make. */
export interface LayerStack {
  readonly directories: readonly string[];
  readonly tree: LayerTree;
}

interface Unpacked {
  /** In its final place if nothing is unsettled, else temporary. */
  readonly directory: string;
  readonly unsettled: Unsettled | undefined;
  /** Whether somebody has taken the temporary directory. */
  taken: boolean;
}

interface Settling {
  readonly layer: Layer;
  readonly listing: LayerListing;
  /** Absent if the chain's directory was there already. */
  readonly unpacked: Unpacked | undefined;
  readonly chainPath: string;
  readonly below: LayerTree;
  readonly lowers: readonly string[];
}

/**
 * Layers unpacked for overlayfs. One that stands alone is shared, by its diffID, by every image that has it; any other is settled
 * against the layers below it and kept by its chain id. Directories appear whole or not at all and are never changed afterwards.
 */
export class LayerDirectories {
  readonly #options: LayerDirectoriesOptions;
  readonly #unpacking = new Map<Digest, Promise<Unpacked>>();
  /** By the path that comes out. */
  readonly #settling = new Map<string, Promise<string>>();

  constructor(options: LayerDirectoriesOptions) {
    this.#options = options;
    mkdirSync(options.directory, { recursive: true });
  }

  /** Fetches and unpacks what is missing, side by side. */
  async stack(layers: readonly Layer[]): Promise<LayerStack> {
    const chains = chainIds(layers);
    const unpacked = await Promise.all(
      layers.map(async (layer, index) =>
        existsSync(this.#chainPath(chains[index])) ? undefined : this.#unpacked(layer),
      ),
    );
    const tree = LayerTree.empty();
    const directories: string[] = [];
    for (const [index, layer] of layers.entries()) {
      const listing = await this.#options.listings.get(layer);
      directories.push(
        await this.#settle({
          layer,
          listing,
          unpacked: unpacked[index],
          chainPath: this.#chainPath(chains[index]),
          below: tree,
          lowers: directories,
        }),
      );
      tree.applyLayer(layer, listing);
    }
    await this.#options.pool.endIdle();
    return { directories, tree };
  }

  /** The directory of a layer that this build wrote: such a layer stands alone. */
  async own(layer: Layer): Promise<string> {
    const { directory, unsettled } = await this.#unpacked(layer);
    if (unsettled !== undefined) throw new Error(`layer ${layer.diffId} does not stand alone`);
    return directory;
  }

  #unpacked(layer: Layer): Promise<Unpacked> {
    let unpacked = this.#unpacking.get(layer.diffId);
    if (unpacked === undefined) {
      unpacked = this.#unpack(layer).finally(() => this.#unpacking.delete(layer.diffId));
      this.#unpacking.set(layer.diffId, unpacked);
    }
    return unpacked;
  }

  async #unpack(layer: Layer): Promise<Unpacked> {
    const final = join(this.#options.directory, digestHex(layer.diffId));
    if (existsSync(final)) return { directory: final, unsettled: undefined, taken: true };
    const temporary = this.#temporary();
    try {
      const unsettled = await this.#write(layer, temporary, undefined);
      if (standsAlone(unsettled)) {
        moveInto(temporary, final);
        return { directory: final, unsettled: undefined, taken: true };
      }
      return { directory: temporary, unsettled, taken: false };
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw error;
    }
  }

  async #write(layer: Layer, directory: string, places: readonly EntryPlace[] | undefined): Promise<Unsettled> {
    const { pool, listings, localBlob, xattrs } = this.#options;
    const blobPath = await localBlob(layer);
    const request = { blobPath, layer, directory, xattrs };
    const { unsettled, listing } = await pool.unpack(places === undefined ? request : { ...request, places });
    listings.put(layer, listing);
    return unsettled;
  }

  /** The directory of a layer in its place above others. Stages that start alike wait for the same one. */
  #settle(step: Settling): Promise<string> {
    const { unpacked, chainPath } = step;
    if (unpacked !== undefined && unpacked.unsettled === undefined) return Promise.resolve(unpacked.directory);
    let settled = this.#settling.get(chainPath);
    if (settled === undefined) {
      settled = this.#makeSettled(step).finally(() => this.#settling.delete(chainPath));
      this.#settling.set(chainPath, settled);
    }
    return settled;
  }

  async #makeSettled({ layer, listing, unpacked, chainPath, below, lowers }: Settling): Promise<string> {
    if (existsSync(chainPath)) return chainPath;
    let unsettled = unpacked?.unsettled;
    let directory = unpacked?.directory ?? '';
    // The same layer may be on its way into another chain.
    if (unpacked === undefined || unsettled === undefined || unpacked.taken) {
      directory = this.#temporary();
      unsettled = await this.#write(layer, directory, undefined);
    } else unpacked.taken = true;
    if (unsettled.throughLinks || unsettled.impliedDirectories.some((path) => isNoDirectory(below, path))) {
      rmSync(directory, { recursive: true, force: true });
      directory = this.#temporary();
      unsettled = await this.#write(layer, directory, below.placesOf(layer, listing));
    }
    for (const path of unsettled.impliedDirectories) {
      const { node } = resolvePath(below, path);
      if (node !== undefined) applyAttributes(inside(directory, path), below.entry(node));
    }
    for (const link of unsettled.externalLinks) linkFromBelow(layer, directory, link, below, lowers);
    moveInto(directory, chainPath);
    return chainPath;
  }

  #chainPath(chain: Digest | undefined): string {
    return join(this.#options.directory, `chain-${chain === undefined ? '' : digestHex(chain)}`);
  }

  #temporary(): string {
    return mkdtempSync(join(this.#options.scratch, 'layer-'));
  }
}

/** OCI image specification, config.md: the identity of a layer together with all below it. */
function chainIds(layers: readonly Layer[]): Digest[] {
  const chains: Digest[] = [];
  for (const { diffId } of layers) {
    const below = chains[chains.length - 1];
    chains.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chains;
}

function standsAlone(unsettled: Unsettled): boolean {
  return !unsettled.throughLinks && unsettled.impliedDirectories.length === 0 && unsettled.externalLinks.length === 0;
}

function isNoDirectory(tree: LayerTree, path: TreePath): boolean {
  const { node } = resolvePath(tree, path, { followLast: false });
  return node !== undefined && tree.entry(node).type !== 'directory';
}

function linkFromBelow(
  layer: Layer,
  directory: string,
  link: { readonly path: TreePath; readonly target: TreePath },
  below: LayerTree,
  lowers: readonly string[],
): void {
  const target = resolvePath(below, link.target, { followLast: false });
  const lower = lowers.findLast((candidate) => {
    const status = lstatSync(inside(candidate, target.path), { throwIfNoEntry: false });
    return status?.isFile() === true || status?.isSymbolicLink() === true;
  });
  if (target.node === undefined || lower === undefined) {
    throw new BuildError(
      'LAYER_INVALID',
      `layer ${layer.descriptor.digest}: ${toText(link.path)} is a hard link to ${toText(link.target)}, which does not exist`,
    );
  }
  linkSync(inside(lower, target.path), inside(directory, link.path));
}

/** A rename; when another build was quicker, its directory stays. */
function moveInto(temporary: string, final: string): void {
  try {
    renameSync(temporary, final);
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    rmSync(temporary, { recursive: true, force: true });
  }
}

function inside(directory: string, path: TreePath): string | Buffer {
  return toFsPath(`${fromText(directory)}/${path}` as ByteString);
}
