import { createHash, randomBytes } from 'node:crypto';
import type { Hash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { BuildError, hasErrno } from '../errors.ts';
import { digestHex, sha256Digest } from '../image/digest.ts';
import type { Digest } from '../image/digest.ts';

interface BlobIdentity {
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
}

/**
 * A blob on its way into the store. Exactly one of `commit`, `abort` and `suspend` ends it.
 */
export interface BlobWriter {
  /** Bytes written so far, those that a resumed download already had included. */
  readonly size: number;
  /** The chunk may be reused by the caller afterwards. */
  write(chunk: Uint8Array): void;
  /**
   * Names the blob by its sha256. Atomic; a blob that is there already is kept.
   * @throws BuildError `BLOB_DIGEST_MISMATCH` if it is not what was expected; the written bytes are then gone.
   */
  commit(expected?: BlobIdentity): BlobIdentity;
  /** Idempotent; without effect after `commit` or `suspend`. */
  abort(): void;
  /** Keeps what was written, for a later `resume` of that digest. */
  suspend(digest: Digest): void;
}

/**
 * Blobs on local disk under `sha256/<hex>`, the names of an OCI layout's blobs directory. Files appear there whole or not
 * at all, so any number of builds can share a directory. Not synced to the disk: whoever reads a blob that matters
 * verifies it, as the layer reader and registries do.
 */
export interface BlobStore {
  readonly directory: string;
  /** Where a blob lies, or would lie. */
  path(digest: Digest): string;
  /** Its size in bytes, or undefined. */
  has(digest: Digest): number | undefined;
  /** From byte `start` on. @throws BuildError `BLOB_MISSING` when first read */
  read(digest: Digest, start?: number): AsyncIterable<Uint8Array>;
  create(): BlobWriter;
  /** A writer that goes on where `suspend` stopped, else an empty one. */
  resume(digest: Digest): BlobWriter;
  /** Copies a file in (shares its extents where the file system can). @throws as `BlobWriter.commit` */
  importFile(path: string, expected?: BlobIdentity): BlobIdentity;
  /** Removes a blob; without effect if it is not there. */
  remove(digest: Digest): void;
}

const BUFFER_SIZE = 128 * 1024;
const STALE_MILLISECONDS = 24 * 60 * 60 * 1000;

/** Makes the directory if it is missing, and removes what builds that were killed left behind a day ago. */
export function openBlobStore(directory: string): BlobStore {
  const blobs = join(directory, 'sha256');
  const incoming = join(directory, 'incoming');
  fs.mkdirSync(blobs, { recursive: true });
  fs.mkdirSync(incoming, { recursive: true });
  removeStale(incoming);

  const path = (digest: Digest): string => join(blobs, digestHex(digest));
  const partial = (digest: Digest): string => join(incoming, `${digestHex(digest)}.partial`);
  const temporary = (): string => join(incoming, `${process.pid}-${randomBytes(9).toString('hex')}`);

  const writer = (file: string, resumed: boolean): BlobWriter => new FileWriter(file, resumed, path, partial);

  return {
    directory,
    path,
    has(digest) {
      const stats = fs.statSync(path(digest), { throwIfNoEntry: false });
      return stats?.isFile() === true ? stats.size : undefined;
    },
    read: (digest, start = 0) => readFile(path(digest), digest, start),
    create: () => writer(temporary(), false),
    resume(digest) {
      const file = temporary();
      try {
        // Whoever renames it owns it: of two builds that resume the same blob, one begins anew.
        fs.renameSync(partial(digest), file);
      } catch (error) {
        if (!hasErrno(error, 'ENOENT')) throw error;
        return writer(file, false);
      }
      return writer(file, true);
    },
    importFile(source, expected) {
      const file = temporary();
      fs.copyFileSync(source, file, fs.constants.COPYFILE_FICLONE | fs.constants.COPYFILE_EXCL);
      fs.chmodSync(file, 0o644);
      return writer(file, true).commit(expected);
    },
    remove(digest) {
      fs.rmSync(path(digest), { force: true });
    },
  };
}

class FileWriter implements BlobWriter {
  size = 0;
  readonly #file: string;
  readonly #path: (digest: Digest) => string;
  readonly #partial: (digest: Digest) => string;
  readonly #hash: Hash = createHash('sha256');
  #descriptor: number | undefined;
  #buffer: Buffer | undefined;
  #buffered = 0;

  constructor(file: string, resumed: boolean, path: (digest: Digest) => string, partial: (digest: Digest) => string) {
    this.#file = file;
    this.#path = path;
    this.#partial = partial;
    this.#descriptor = fs.openSync(file, resumed ? 'r+' : 'wx');
    if (resumed) this.size = this.#hashFile(this.#descriptor);
  }

  write(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
    if (this.#buffered + chunk.length > BUFFER_SIZE) this.#flush();
    if (chunk.length >= BUFFER_SIZE) {
      writeAll(this.#open(), chunk);
      return;
    }
    this.#buffer ??= Buffer.allocUnsafe(BUFFER_SIZE);
    this.#buffer.set(chunk, this.#buffered);
    this.#buffered += chunk.length;
  }

  commit(expected?: BlobIdentity): BlobIdentity {
    try {
      this.#flush();
      const digest = sha256Digest(this.#hash.digest('hex'));
      if (expected !== undefined && (expected.digest !== digest || expected.size !== this.size)) {
        throw new BuildError(
          'BLOB_DIGEST_MISMATCH',
          `A blob should be ${expected.digest} of ${expected.size} bytes, but is ${digest} of ${this.size} bytes`,
          { facts: { expected: expected.digest, actual: digest, expectedSize: expected.size, actualSize: this.size } },
        );
      }
      fs.renameSync(this.#file, this.#path(digest));
      return { digest, size: this.size };
    } finally {
      this.abort();
    }
  }

  abort(): void {
    if (this.#descriptor === undefined) return;
    this.#close();
    fs.rmSync(this.#file, { force: true });
  }

  suspend(digest: Digest): void {
    this.#flush();
    this.#close();
    fs.renameSync(this.#file, this.#partial(digest));
  }

  #open(): number {
    if (this.#descriptor === undefined) throw new Error('the blob writer has ended');
    return this.#descriptor;
  }

  #close(): void {
    fs.closeSync(this.#open());
    this.#descriptor = undefined;
  }

  #flush(): void {
    const descriptor = this.#open();
    if (this.#buffer !== undefined && this.#buffered > 0)
      writeAll(descriptor, this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  /** Leaves the descriptor's position at the end. */
  #hashFile(descriptor: number): number {
    const chunk = Buffer.allocUnsafe(4 * BUFFER_SIZE);
    for (let size = 0; ;) {
      const count = fs.readSync(descriptor, chunk, 0, chunk.length, null);
      if (count === 0) return size;
      this.#hash.update(chunk.subarray(0, count));
      size += count;
    }
  }
}

function writeAll(descriptor: number, chunk: Uint8Array): void {
  for (let offset = 0; offset < chunk.length;) {
    offset += fs.writeSync(descriptor, chunk, offset, chunk.length - offset);
  }
}

async function* readFile(path: string, digest: Digest, start: number): AsyncIterable<Uint8Array> {
  try {
    yield* fs.createReadStream(path, { start, highWaterMark: 2 * BUFFER_SIZE }) as AsyncIterable<Uint8Array>;
  } catch (cause) {
    if (!hasErrno(cause, 'ENOENT')) throw cause;
    throw new BuildError('BLOB_MISSING', `The blob ${digest} is not in the local store`, { cause });
  }
}

function removeStale(incoming: string): void {
  for (const name of fs.readdirSync(incoming)) {
    const file = join(incoming, name);
    const stats = fs.statSync(file, { throwIfNoEntry: false });
    if (stats !== undefined && Date.now() - stats.mtimeMs > STALE_MILLISECONDS) fs.rmSync(file, { force: true });
  }
}
