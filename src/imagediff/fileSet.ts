import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { toText } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import { decompress } from '../layer/decompress.ts';
import { TarReader } from '../tar/reader.ts';

/** Files by name, of a directory or of an archive. Names are relative; what they hold is not trusted. */
export interface FileSet {
  has(name: string): boolean;
  /** For documents. @throws BuildError `IMAGE_NOT_FOUND` if it is missing, `IMAGE_UNSUPPORTED` if it is larger than 16 MiB */
  read(name: string): Buffer;
  /** @throws BuildError `IMAGE_NOT_FOUND` if it is missing */
  open(name: string): AsyncIterable<Uint8Array>;
  close(): void;
}

/** Where a file's bytes lie in another. */
interface Extent {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

const DOCUMENT_LIMIT = 16 << 20;
const CHUNK = 1 << 20;

export function openDirectoryFiles(directory: string): FileSet {
  const find = (name: string): Extent | undefined => {
    const path = join(directory, name);
    return existsSync(path) ? { path, offset: 0, size: statSync(path).size } : undefined;
  };
  return fileSet(directory, find, () => {});
}

/** A compressed archive is decompressed into the scratch directory, because files are read out of order. */
export async function openArchiveFiles(archive: string, scratchDirectory: string): Promise<FileSet> {
  const isCompressed = isGzipOrZstd(archive);
  const scratch = isCompressed ? mkdtempSync(join(scratchDirectory, 'kasane-imagediff-')) : undefined;
  const close = (): void => {
    if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
  };
  try {
    let path = archive;
    if (scratch !== undefined) {
      path = join(scratch, 'archive.tar');
      await pipeline(Readable.from(decompress(createReadStream(archive), archive)), createWriteStream(path));
    }
    const files = await indexArchive(path);
    return fileSet(archive, (name) => files.get(posix.normalize(name)), close);
  } catch (error) {
    close();
    throw error;
  }
}

function fileSet(where: string, find: (name: string) => Extent | undefined, close: () => void): FileSet {
  const get = (name: string): Extent => {
    const extent = find(name);
    if (extent === undefined) throw new BuildError('IMAGE_NOT_FOUND', `${where} holds no ${name}, so it is no image`);
    return extent;
  };
  return {
    has: (name) => find(name) !== undefined,
    read(name) {
      const extent = get(name);
      if (extent.size > DOCUMENT_LIMIT) {
        throw new BuildError('IMAGE_UNSUPPORTED', `${name} of ${where} is larger than ${DOCUMENT_LIMIT} bytes`);
      }
      return readExtent(extent);
    },
    open(name) {
      const { path, offset, size } = get(name);
      if (size === 0) return Readable.from([]) as AsyncIterable<Uint8Array>;
      return createReadStream(path, { start: offset, end: offset + size - 1, highWaterMark: CHUNK });
    },
    close,
  };
}

/** Old `docker save` has links to layers that several images share. */
async function indexArchive(path: string): Promise<Map<string, Extent>> {
  const files = new Map<string, Extent>();
  const links = new Map<string, string>();
  const reader = new TarReader({
    entry(header, offset) {
      const name = posix.normalize(toText(header.path));
      if (header.type === 'file') files.set(name, { path, offset, size: header.size });
      if (header.type === 'hardlink') links.set(name, posix.normalize(toText(header.linkTarget)));
      if (header.type === 'symlink') links.set(name, posix.join(posix.dirname(name), toText(header.linkTarget)));
    },
  });
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) reader.write(chunk as Uint8Array);
  reader.end();
  for (const [name, target] of links) {
    const extent = files.get(target);
    if (extent !== undefined) files.set(name, extent);
  }
  return files;
}

function isGzipOrZstd(path: string): boolean {
  const start = readExtent({ path, offset: 0, size: 4 });
  return start.readUInt16BE(0) === 0x1f8b || start.readUInt32LE(0) === 0xfd2fb528;
}

function readExtent({ path, offset, size }: Extent): Buffer {
  const bytes = Buffer.alloc(size);
  const descriptor = openSync(path, 'r');
  try {
    for (let at = 0; at < size;) {
      const read = readSync(descriptor, bytes, at, size - at, offset + at);
      if (read === 0) break;
      at += read;
    }
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}
