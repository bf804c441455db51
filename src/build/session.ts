import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { usableCpus } from '../linux/cpuQuota.ts';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import type { EventListener, LogLevel } from '../events.ts';
import type { HttpClient } from '../http/client.ts';
import type { Image, Layer } from '../image/image.ts';
import type { Platform } from '../image/platform.ts';
import { LayerDirectories } from '../layer/layerDirectories.ts';
import { layersDirectory } from '../layer/layersDirectory.ts';
import { ListingStore } from '../layer/listingStore.ts';
import { overlayXattrs } from '../layer/overlayXattrs.ts';
import { UnpackPool } from '../layer/unpackPool.ts';
import type { RegistryClient } from '../registry/client.ts';
import { limitConcurrency } from '../registry/limitConcurrency.ts';
import { parseReference, formatReference } from '../registry/reference.ts';
import { LayerTree } from '../tree/layerTree.ts';
import { openBlobStore, type BlobStore } from '../store/blobStore.ts';
import { cacheRepositories } from './cachePlaces.ts';
import { chooseIsolation } from './chooseIsolation.ts';
import { createClock, type BuildClock } from './clock.ts';
import type { ReadBlob } from './localContents.ts';
import { findImage } from './findImage.ts';
import { createDownloader, type Downloader } from './instructions/download.ts';
import { openRegistry } from './openRegistry.ts';
import { ownDirectories } from './ownDirectories.ts';
import type { BuildOptions, BuildRequest } from './request.ts';
import { SharedRoot } from './sharedRoot.ts';

const PARALLEL_DOWNLOADS = 4;
const STALE_MILLISECONDS = 24 * 60 * 60 * 1000;

/** What the steps of one build share. Everything with a lifetime ends with it. */
export interface BuildSession extends AsyncDisposable {
  readonly request: BuildRequest;
  readonly signal: AbortSignal | undefined;
  /** Of the caller; never a RUN's. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: BuildClock;
  readonly store: BlobStore;
  readonly listings: ListingStore;
  readonly directories: LayerDirectories;
  /** A directory of this build alone. */
  readonly scratch: string;
  readonly readBlob: ReadBlob;
  /** Makes sure that a layer's blob is on this disk, and says where. */
  localBlob(layer: Layer): Promise<string>;
  /** Loaded and made when first needed. */
  registry(): Promise<RegistryClient>;
  http(): Promise<HttpClient>;
  /** Manifest and configuration of an image, asked for once in a build. */
  image(reference: string, platform: Platform): Promise<Image>;
  /** The file system of an image, merged from its layers' listings once in a build. Not to be changed. */
  tree(image: Image): Promise<LayerTree>;
  readonly download: Downloader;
  /** How RUN gets its machine; found once in a build. @throws BuildError `ISOLATION_UNAVAILABLE`, `NOT_IN_CONTAINER` */
  isolation(): Promise<'namespace' | 'in-place'>;
  /** `/`, which may be borrowed where commands run in place. */
  readonly root: SharedRoot;
  /** Work that the build waits for only at its end; must not reject. */
  background(task: Promise<void>): void;
  /** Waits for it. */
  settle(): Promise<void>;
  readonly emit: EventListener;
  log(level: LogLevel, message: string): void;
}

export function openSession(request: BuildRequest, options: BuildOptions): BuildSession {
  const { signal, environment = {}, listener = () => undefined } = options;
  mkdirSync(request.dataDirectory, { recursive: true });
  const store = openBlobStore(join(request.dataDirectory, 'blobs'));
  const scratch = makeScratch(request.dataDirectory);
  const registry = openRegistry(request, { environment, listener, mayRunPrograms: () => !root.isBorrowed });
  const images = new Map<string, Promise<Image>>();
  const fetching = new Map<string, Promise<string>>();
  const download = limitConcurrency(PARALLEL_DOWNLOADS);
  const pool = new UnpackPool(usableCpus());

  const root = new SharedRoot({
    directory: join(request.dataDirectory, 'in-place'),
    scratch,
    own: ownDirectories(request.dataDirectory),
    readBlob,
    log: (level, message) => log(level, message),
    beforeBorrowing: () => registry.readAhead([...request.destinations, ...cacheRepositories(request)]),
  });
  let isolation: ReturnType<typeof chooseIsolation> | undefined;

  const trees = new Map<Image, Promise<LayerTree>>();
  const background: Promise<void>[] = [];
  let downloads = 0;
  const mirrors = request.mirrors ?? { map: new Map(), fallBack: true };
  const log = (level: LogLevel, message: string): void => listener({ kind: 'log', level, message });

  const fetchBlob = async (layer: Layer): Promise<string> => {
    const path = store.path(layer.descriptor.digest);
    if (store.has(layer.descriptor.digest) === layer.descriptor.size) return path;
    await download(() => registry.pull(store, layer, signal));
    return path;
  };
  const localBlob = (layer: Layer): Promise<string> => {
    const { digest } = layer.descriptor;
    const path = fetching.get(digest) ?? fetchBlob(layer).finally(() => fetching.delete(digest));
    fetching.set(digest, path);
    return path;
  };
  async function* readBlob(layer: Layer): AsyncGenerator<Uint8Array> {
    await localBlob(layer);
    yield* store.read(layer.descriptor.digest);
  }
  const listings = new ListingStore(join(request.dataDirectory, 'listings'), readBlob);
  let directories: LayerDirectories | undefined;
  const openDirectories = (): LayerDirectories => {
    const xattrs = overlayXattrs(scratch);
    const directory = layersDirectory(request.dataDirectory, xattrs);
    return new LayerDirectories({ directory, scratch, xattrs, pool, listings, localBlob });
  };

  return {
    request,
    signal,
    environment,
    clock: createClock(environment['SOURCE_DATE_EPOCH'], request.reproducible),
    store,
    listings,
    // Only for a RUN.
    get directories() {
      return (directories ??= openDirectories());
    },
    scratch,
    readBlob,
    localBlob,
    registry: () => registry.client(),
    http: () => registry.http(),
    image(name, platform) {
      const reference = parseReference(name);
      const key = JSON.stringify([formatReference(reference), platform]);
      let image = images.get(key);
      if (image === undefined) {
        log('info', `Retrieving image manifest ${name}`);
        image = registry.client().then((client) => findImage(reference, { client, mirrors, platform, signal, log }));
        images.set(key, image);
      }
      return image;
    },
    tree(image) {
      let tree = trees.get(image);
      if (tree === undefined) trees.set(image, (tree = mergeLayers(listings, image.layers)));
      return tree;
    },
    download: createDownloader({
      http: () => registry.http(),
      newPath: () => join(scratch, `download-${downloads++}`),
      signal,
    }),
    isolation: () => (isolation ??= chooseIsolation({ request, environment, scratch, signal, log })),
    root,
    background: (task) => void background.push(task),
    async settle() {
      await Promise.all(background);
    },
    emit: listener,
    log,
    async [Symbol.asyncDispose]() {
      root[Symbol.dispose]();
      await pool[Symbol.asyncDispose]();
      await registry.close();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

async function mergeLayers(listings: ListingStore, layers: readonly Layer[]): Promise<LayerTree> {
  const found = await Promise.all(layers.map((layer) => listings.get(layer)));
  const tree = LayerTree.empty();
  for (const [index, layer] of layers.entries()) {
    const listing = found[index];
    if (listing !== undefined) tree.applyLayer(layer, listing);
  }
  return tree;
}

/** Also removes what builds left behind that were killed a day ago. */
function makeScratch(dataDirectory: string): string {
  const parent = join(dataDirectory, 'builds');
  mkdirSync(parent, { recursive: true });
  for (const name of readdirSync(parent)) {
    const path = join(parent, name);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY);
    if (age > STALE_MILLISECONDS) removeStale(path);
  }
  return mkdtempSync(join(parent, 'build-'));
}

function removeStale(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    // Another user's, or of ids that only a build with a user namespace has: that one will.
    if (!hasErrno(error, 'EACCES', 'EPERM', 'ENOTEMPTY')) throw error;
  }
}
