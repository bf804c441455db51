import { closeSync, lstatSync, mkdirSync, openSync, readlinkSync } from 'node:fs';
import { toFsPath, toText, type ByteString } from '../byteString.ts';
import { hasErrno } from '../errors.ts';
import type { MadePath } from './launchSpec.ts';

/** As Linux has it. */
const MAX_LINKS = 40;

/** What a mount point must be, and what is made of a missing one. */
export type MountPointKind = 'file' | 'directory';

export interface MountPointOptions {
  /** Every missing component is made and recorded here. */
  readonly made: MadePath[];
  /** Whether a link in the last place is followed. Default: true. */
  readonly followLast?: boolean;
  /** Tree paths below which nothing is looked up: a mounted /proc has links that lead anywhere. */
  readonly closed?: readonly string[];
}

/** An image that has no place for a mount. */
export class MountPointError extends Error {}

/**
 * Finds the place for a mount inside `root`, a directory in which nothing else is at work, and makes what is missing.
 * Links are followed as inside the root: nothing outside is ever looked at or touched.
 * @returns the tree path: no component is a link
 * @throws MountPointError if something else than the kind asked for is there
 */
export function placeMountPoint(
  root: string,
  target: string,
  kind: MountPointKind,
  options: MountPointOptions,
): ByteString {
  const followLast = options.followLast ?? true;
  const names: string[] = [];
  const pending = componentsOf(Buffer.from(target, 'utf8').toString('latin1')).toReversed();
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '..') {
      names.pop();
      continue;
    }
    const last = pending.length === 0;
    const path = [...names, name].join('/') as ByteString;
    if (options.closed?.includes(path) === true) {
      throw new MountPointError(`${target} leads into /${toText(path)}`);
    }
    const type = typeOf(root, path);
    if (type === 'missing') {
      make(root, path, last ? kind : 'directory', options.made);
    } else if (type === 'link' && (!last || followLast)) {
      links++;
      if (links > MAX_LINKS) throw new MountPointError(`${target}: too many levels of symbolic links`);
      const linkTarget = readlinkSync(inRoot(root, path), 'latin1');
      if (linkTarget.startsWith('/')) names.length = 0;
      pending.push(...componentsOf(linkTarget).toReversed());
      continue;
    } else if (type !== (last ? kind : 'directory')) {
      throw new MountPointError(
        `/${toText(path)} of the image is ${ARTICLE[type]}, where ${target} needs ${ARTICLE[last ? kind : 'directory']}`,
      );
    }
    names.push(name);
  }
  return names.join('/') as ByteString;
}

/** Where a tree path of the root is on disk. */
export function inRoot(root: string, path: ByteString): string | Buffer {
  return toFsPath((path === '' ? latin1(root) : `${latin1(root)}/${path}`) as ByteString);
}

const ARTICLE = { file: 'a file', directory: 'a directory', link: 'a symbolic link' };

function typeOf(root: string, path: ByteString): MountPointKind | 'link' | 'missing' {
  try {
    const stat = lstatSync(inRoot(root, path));
    return stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'link' : 'file';
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return 'missing';
    throw error;
  }
}

function make(root: string, path: ByteString, kind: MountPointKind, made: MadePath[]): void {
  const parent = inRoot(root, path.slice(0, Math.max(path.lastIndexOf('/'), 0)) as ByteString);
  const parentBefore = mtimeOf(parent);
  if (kind === 'directory') mkdirSync(inRoot(root, path), 0o755);
  else closeSync(openSync(inRoot(root, path), 'wx', 0o644));
  made.push({ path, directory: kind === 'directory', parentBefore, parentAfter: mtimeOf(parent) });
}

function mtimeOf(directory: string | Buffer): string {
  return String(lstatSync(directory, { bigint: true }).mtimeNs);
}

function componentsOf(path: string): string[] {
  return path.split('/').filter((component) => component !== '' && component !== '.');
}

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
