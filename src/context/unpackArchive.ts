import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { fromText, toFsPath, toText, type ByteString } from '../byteString.ts';
import { BuildError, hasErrno } from '../errors.ts';
import { setTimes } from '../linux/times.ts';
import type { TarHeader } from '../tar/header.ts';
import { TarReader } from '../tar/reader.ts';

/**
 * Unpacks a tar archive, already decompressed, into an empty directory that nobody else writes to. Files, directories, links
 * and hard links are made with their modes and times; owners are not kept, other types are left out. Nothing is ever written
 * outside the directory or through a link.
 * @throws BuildError `CONTEXT_INVALID` for a name with `..`, a path through a link or a hard link without target;
 *   `TAR_INVALID`, `TAR_UNSUPPORTED`
 */
export async function unpackArchive(archive: AsyncIterable<Uint8Array>, directory: string): Promise<void> {
  const unpacker = new Unpacker(fromText(directory));
  try {
    const reader = new TarReader(unpacker);
    for await (const chunk of archive) reader.write(chunk);
    reader.end();
    unpacker.finish();
  } finally {
    unpacker.close();
  }
}

class Unpacker {
  readonly #root: ByteString;
  /** Modes and times of directories are set at the end: what is written into them changes their times. */
  readonly #directories = new Map<ByteString, TarHeader>();
  #file: { readonly fd: number; readonly path: ByteString; readonly header: TarHeader; position: number } | undefined;

  constructor(root: ByteString) {
    this.#root = root;
  }

  entry(header: TarHeader): void {
    const components = componentsInside(header.path);
    const path = this.#diskPath(components);
    if (components.length === 0) {
      if (header.type === 'directory') this.#directories.set(path, header);
      return;
    }
    const existing = this.#prepareParents(components, header);
    if (header.type === 'directory') {
      if (existing?.isDirectory() !== true) {
        if (existing !== undefined) rmSync(toFsPath(path));
        mkdirSync(toFsPath(path), 0o700);
      }
      this.#directories.set(path, header);
      return;
    }
    const target = header.type === 'hardlink' ? this.#hardlinkTarget(header) : undefined;
    if (target === path) return;
    if (existing !== undefined) this.#remove(path, existing);
    if (target !== undefined) {
      linkSync(toFsPath(target), toFsPath(path));
    } else if (header.type === 'symlink') {
      symlinkSync(toFsPath(header.linkTarget), toFsPath(path));
      setTimes(toFsPath(path), header.mtime);
    } else if (header.type === 'file') {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      this.#file = { fd: openSync(toFsPath(path), flags, 0o600), path, header, position: 0 };
    }
  }

  data(chunk: Uint8Array): void {
    const file = this.#file;
    if (file === undefined) return;
    for (let at = 0; at < chunk.length;) {
      const written = writeSync(file.fd, chunk, at, chunk.length - at, file.position);
      at += written;
      file.position += written;
    }
  }

  hole(length: number): void {
    if (this.#file !== undefined) this.#file.position += length;
  }

  endEntry(): void {
    const file = this.#file;
    if (file === undefined) return;
    ftruncateSync(file.fd, file.header.size);
    fchmodSync(file.fd, file.header.mode);
    this.close();
    setTimes(toFsPath(file.path), file.header.mtime);
  }

  finish(): void {
    // Deepest first: a directory that may not be entered any more has nothing left to be set below it.
    for (const [path, header] of [...this.#directories].sort(([a], [b]) => b.length - a.length)) {
      setTimes(toFsPath(path), header.mtime);
      chmodSync(toFsPath(path), header.mode);
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#file = undefined;
  }

  /** Makes missing parents; gives what is at the path itself. */
  #prepareParents(components: readonly ByteString[], header: TarHeader): Stats | undefined {
    for (let depth = 1; depth < components.length; depth++) {
      const parent = this.#diskPath(components.slice(0, depth));
      const stats = statsAt(parent);
      if (stats === undefined) mkdirSync(toFsPath(parent), 0o755);
      else if (!stats.isDirectory())
        throw refused(header, `${toText(components.slice(0, depth).join('/') as ByteString)} is not a directory`);
    }
    return statsAt(this.#diskPath(components));
  }

  #hardlinkTarget(header: TarHeader): ByteString {
    const components = componentsInside(header.linkTarget);
    for (let depth = 1; depth <= components.length; depth++) {
      const stats = statsAt(this.#diskPath(components.slice(0, depth)));
      const fits = depth < components.length ? stats?.isDirectory() === true : stats?.isDirectory() === false;
      if (!fits) throw refused(header, `its target ${toText(header.linkTarget)} is not a file of the archive`);
    }
    if (components.length === 0) throw refused(header, 'its target is the root');
    return this.#diskPath(components);
  }

  #remove(path: ByteString, stats: Stats): void {
    rmSync(toFsPath(path), { recursive: stats.isDirectory() });
    for (const directory of this.#directories.keys()) {
      if (directory === path || directory.startsWith(`${path}/`)) this.#directories.delete(directory);
    }
  }

  #diskPath(components: readonly ByteString[]): ByteString {
    return [this.#root, ...components].join('/') as ByteString;
  }
}

/** Absolute names count from the root, as GNU tar reads them. */
function componentsInside(path: ByteString): ByteString[] {
  const components = path.split('/').filter((component) => component !== '' && component !== '.');
  if (components.includes('..')) {
    throw new BuildError(
      'CONTEXT_INVALID',
      `the context archive names ${JSON.stringify(toText(path))}, which leads out of it`,
    );
  }
  return components as ByteString[];
}

function refused(header: TarHeader, reason: string): BuildError {
  return new BuildError('CONTEXT_INVALID', `cannot unpack ${toText(header.path)} of the context archive: ${reason}`);
}

function statsAt(path: ByteString): Stats | undefined {
  try {
    return lstatSync(toFsPath(path));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
