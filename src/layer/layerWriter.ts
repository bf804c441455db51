import { createHash, type Hash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { usableCpus } from '../linux/cpuQuota.ts';
import { toText } from '../byteString.ts';
import { BuildError, messageOf } from '../errors.ts';
import { sha256Digest } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';
import { layerMediaType, type ImageFormat } from '../image/mediaType.ts';
import type { BlobStore, BlobWriter } from '../store/blobStore.ts';
import type { TarHeader, Timestamp } from '../tar/header.ts';
import { encodeTarHeader, tarPadding, TAR_END } from '../tar/writer.ts';
import type { Change, Changes } from '../tree/change.ts';
import { newEntry, type Content } from '../tree/entry.ts';
import { LayerListing } from '../tree/layerListing.ts';
import { baseName } from '../tree/path.ts';
import type { TreePath } from '../tree/tree.ts';
import { isReservedName, whiteoutPath } from '../tree/whiteout.ts';
import { GZIP_BLOCK, GzipEncoder } from './gzip.ts';

export interface WriteLayerOptions {
  readonly store: BlobStore;
  readonly format: ImageFormat;
  /** Seconds since 1970 that no time in the layer is later than. */
  readonly latestTime?: number;
  readonly signal?: AbortSignal;
}

export interface WrittenLayer {
  readonly layer: Layer;
  readonly listing: LayerListing;
}

/**
 * Writes changes as a layer into the store, in one pass: tar, diffID, gzip, digest. The same changes give the same bytes.
 * Times are cut to seconds, as containerd does. Memory does not depend on the size of files or of the layer.
 * @throws BuildError `FILE_CHANGED` if a file shrank meanwhile, `FILE_UNREADABLE`, `NAME_RESERVED` for a name that would be a whiteout
 */
export async function writeLayer(changes: Changes, options: WriteLayerOptions): Promise<WrittenLayer> {
  const blob = options.store.create();
  try {
    const listing = LayerListing.empty();
    const stream = new TarStream(blob);
    for (const change of changes) {
      options.signal?.throwIfAborted();
      const header = headerOf(change, options.latestTime);
      await stream.append(encodeTarHeader(header));
      listing.append(header, stream.length);
      if (change.kind === 'put' && change.entry.type === 'file') {
        await appendContent(stream, change.path, change.entry.size, change.content);
      }
    }
    await stream.append(TAR_END);
    const diffId = await stream.end();
    const { digest, size } = blob.commit();
    const mediaType = layerMediaType(options.format, 'gzip');
    return {
      layer: { descriptor: { mediaType, digest, size }, diffId: sha256Digest(diffId), locations: [{ kind: 'store' }] },
      listing,
    };
  } catch (error) {
    blob.abort();
    throw error;
  }
}

function headerOf(change: Change, latestTime: number | undefined): TarHeader {
  switch (change.kind) {
    case 'put':
      requireSayable(change.path);
      return { ...change.entry, path: change.path, mtime: layerTime(change.entry.mtime, latestTime) };
    case 'link':
      requireSayable(change.path);
      return {
        ...change.entry,
        type: 'hardlink',
        path: change.path,
        size: 0,
        linkTarget: change.target,
        mtime: layerTime(change.entry.mtime, latestTime),
      };
    case 'remove':
    case 'opaque':
      return { ...newEntry('file', {}), path: whiteoutPath(change) };
  }
}

function requireSayable(path: TreePath): void {
  if (!isReservedName(baseName(path))) return;
  throw new BuildError(
    'NAME_RESERVED',
    `/${toText(path)} can't be part of an image: in a layer, a name that begins with .wh. removes files`,
    {
      hint: 'Rename the file, remove it in the same RUN, or list it in .dockerignore.',
    },
  );
}

function layerTime(time: Timestamp, latest: number | undefined): Timestamp {
  return { seconds: latest === undefined ? time.seconds : Math.min(time.seconds, latest), nanoseconds: 0 };
}

async function appendContent(
  stream: TarStream,
  path: TreePath,
  size: number,
  content: Content | undefined,
): Promise<void> {
  if (size > 0) {
    if (content === undefined || content.kind === 'layer') {
      throw new Error(`the content of ${toText(path)} is not at hand`);
    }
    if (content.kind === 'bytes') await stream.append(content.bytes);
    else await appendFile(stream, path, size, content.path);
  }
  await stream.append(tarPadding(size));
}

async function appendFile(stream: TarStream, name: TreePath, size: number, path: string | Buffer): Promise<void> {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    throw new BuildError('FILE_UNREADABLE', `can't read ${toText(name)}: ${messageOf(error)}`, { cause: error });
  }
  try {
    for (let left = size; left > 0;) {
      const room = await stream.room();
      const read = readSync(descriptor, room, 0, Math.min(left, room.length), null);
      if (read === 0) {
        throw new BuildError('FILE_CHANGED', `${toText(name)} became shorter while it was read`, {
          hint: 'Make sure that nothing writes to the build context during the build.',
        });
      }
      stream.advance(read);
      left -= read;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Gathers tar bytes into blocks; full ones are hashed and compressed. */
class TarStream {
  readonly #encoder: GzipEncoder;
  readonly #hash: Hash = createHash('sha256');
  #block = Buffer.allocUnsafeSlow(GZIP_BLOCK);
  #used = 0;
  #flushed = 0;

  constructor(blob: BlobWriter) {
    this.#encoder = new GzipEncoder((chunk) => blob.write(chunk), usableCpus() + 1);
  }

  /** Bytes so far. */
  get length(): number {
    return this.#flushed + this.#used;
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const room = await this.room();
      const part = bytes.subarray(at, at + room.length);
      room.set(part);
      this.advance(part.length);
      at += part.length;
    }
  }

  /** Where to write next; never empty. Follow with `advance`. */
  async room(): Promise<Buffer> {
    if (this.#used === GZIP_BLOCK) await this.#flush();
    return this.#block.subarray(this.#used);
  }

  advance(length: number): void {
    this.#used += length;
  }

  /** The diffID in hexadecimal digits. */
  async end(): Promise<string> {
    await this.#flush();
    await this.#encoder.end();
    return this.#hash.digest('hex');
  }

  async #flush(): Promise<void> {
    const block = this.#block.subarray(0, this.#used);
    this.#flushed += this.#used;
    this.#used = 0;
    this.#block = Buffer.allocUnsafeSlow(GZIP_BLOCK);
    this.#hash.update(block);
    await this.#encoder.write(block);
  }
}
