import { closeSync, createReadStream, constants, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { toText, type ByteString } from '../../byteString.ts';
import { BuildError } from '../../errors.ts';
import { decompress } from '../../layer/decompress.ts';
import { TarReader } from '../../tar/reader.ts';
import type { TarHeader } from '../../tar/header.ts';
import type { Entry } from '../../tree/entry.ts';
import { baseName, cleanTreePath, parentOf } from '../../tree/path.ts';
import { resolvePath } from '../../tree/resolve.ts';
import type { NodeId } from '../../tree/tree.ts';
import type { WorkingTree } from '../../tree/workingTree.ts';
import { keptXattrs, makeDirectories, type CopyRules } from './copyFiles.ts';

const BLOCK = 512;
const SNIFFED = 64 << 10;

/**
 * Whether a file is an archive that ADD unpacks, judged by its content as Docker does: a tar, plain or compressed.
 * @throws BuildError `ARCHIVE_UNSUPPORTED` for a tar in a compression that is not supported yet
 */
export async function isArchive(path: string | Buffer): Promise<boolean> {
  const start = readStart(path, SNIFFED);
  if (start.subarray(0, 3).toString('latin1') === 'BZh' || start.subarray(0, 6).toString('latin1') === '\xfd7zXZ\0') {
    throw new BuildError(
      'ARCHIVE_UNSUPPORTED',
      `ADD can't unpack ${path.toString()} yet: bzip2 and xz are not supported`,
      { hint: 'Use gzip or zstd, or add --unpack=false to copy the file as it is.' },
    );
  }
  const first: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of decompress(createReadStream(path, { highWaterMark: SNIFFED }), 'archive')) {
      first.push(chunk);
      length += chunk.length;
      if (length >= BLOCK) break;
    }
  } catch (error) {
    if (error instanceof BuildError && error.code === 'BLOB_CORRUPT') return false;
    throw error;
  }
  return length >= BLOCK && isTarHeader(Buffer.concat(first).subarray(0, BLOCK));
}

/**
 * Puts what an archive holds below a directory. Owners are the archive's unless `rules` name one. Contents go to `scratch`, since a tar
 * gives them in its own order.
 */
export async function unpackInto(
  archive: string | Buffer,
  destination: WorkingTree,
  target: string,
  rules: CopyRules,
  scratch: string,
): Promise<void> {
  const root = makeDirectories(destination, target, rules);
  destination.touch(root);
  const base = resolvePath(destination, target).path;
  const links = new Map<NodeId, object>();
  let file: { descriptor: number } | undefined;
  let count = 0;
  const reader = new TarReader({
    entry(header) {
      const path = cleanTreePath(header.path);
      // The archive's own root does not change the directory it is unpacked into.
      if (path === '') return;
      const name = baseName(path);
      const parent = makeDirectories(destination, `${base}/${parentOf(path)}`, rules);
      if (header.type === 'hardlink') {
        linkTo(destination, links, parent, name, `${base}/${cleanTreePath(header.linkTarget)}`, header);
        return;
      }
      const entry = entryOf(header, rules);
      if (header.type !== 'file') {
        destination.put(parent, name, entry);
        return;
      }
      const contentPath = join(scratch, `entry-${count++}`);
      file = { descriptor: openSync(contentPath, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600) };
      const link = {};
      links.set(destination.put(parent, name, entry, { kind: 'disk', path: contentPath }, link), link);
    },
    data(chunk) {
      if (file === undefined) return;
      for (let at = 0; at < chunk.length;) at += writeSync(file.descriptor, chunk, at, chunk.length - at);
    },
    endEntry() {
      if (file !== undefined) closeSync(file.descriptor);
      file = undefined;
    },
  });
  try {
    for await (const chunk of decompress(createReadStream(archive, { highWaterMark: SNIFFED }), 'archive'))
      reader.write(chunk);
    reader.end();
  } finally {
    if (file !== undefined) closeSync(file.descriptor);
  }
}

function linkTo(
  destination: WorkingTree,
  links: ReadonlyMap<NodeId, object>,
  parent: NodeId,
  name: ByteString,
  target: string,
  header: TarHeader,
): void {
  const { node } = resolvePath(destination, target, { followLast: false });
  const entry = node === undefined ? undefined : destination.entry(node);
  if (node === undefined || entry === undefined || entry.type === 'directory') {
    throw new BuildError(
      'ARCHIVE_INVALID',
      `the archive's hard link ${toText(header.path)} leads to ${entry === undefined ? 'nothing' : 'a directory'}: ${toText(header.linkTarget)}`,
    );
  }
  destination.put(parent, name, entry, entry.type === 'file' ? destination.content(node) : undefined, links.get(node));
}

function entryOf(header: TarHeader, rules: CopyRules): Entry {
  const { type, mode, uid, gid, size, mtime, linkTarget, deviceMajor, deviceMinor, xattrs } = header;
  if (type === 'hardlink') throw new Error('a hard link has no entry of its own');
  return {
    type,
    size,
    mtime,
    linkTarget,
    deviceMajor,
    deviceMinor,
    ...(rules.owner ?? { uid, gid }),
    mode: rules.chmod === undefined || type === 'symlink' ? mode : rules.chmod(mode, type === 'directory'),
    xattrs: keptXattrs(xattrs),
  };
}

function readStart(path: string | Buffer, length: number): Buffer {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, length, 0));
  } finally {
    closeSync(descriptor);
  }
}

/** The checksum of a tar header is right; an all-zero block is an empty archive. */
function isTarHeader(block: Buffer): boolean {
  if (block.every((byte) => byte === 0)) return true;
  const field = block.toString('latin1', 148, 156).replace(/\0.*$/s, '').trim();
  if (!/^[0-7]+$/.test(field)) return false;
  let sum = 0;
  for (const [index, byte] of block.entries()) sum += index >= 148 && index < 156 ? 32 : byte;
  return sum === Number.parseInt(field, 8);
}
