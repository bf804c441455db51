import type { ByteString } from '../byteString.ts';
import { baseName, cleanTreePath, joinTreePath, parentOf } from './path.ts';
import type { TreePath } from './tree.ts';

const PREFIX = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** What a name in a layer says of the layers below (OCI image specification, layer.md); paths are cleaned lexically. */
export type Whiteout =
  /** The path is gone. */
  | { readonly kind: 'remove'; readonly path: TreePath }
  /** What this directory held is gone. */
  | { readonly kind: 'opaque'; readonly path: TreePath }
  /** Bookkeeping of AUFS, which old images hold, and names that hide nothing. */
  | { readonly kind: 'nothing' };

/** Undefined if an entry of that name is part of the file system. */
export function whiteoutOf(path: ByteString): Whiteout | undefined {
  if (!path.includes(PREFIX)) return undefined;
  const cleaned = cleanTreePath(path);
  const directory = parentOf(cleaned);
  const name = baseName(cleaned);
  if (directory.split('/').some(isReservedName)) return { kind: 'nothing' };
  if (!isReservedName(name)) return undefined;
  if (name === OPAQUE) return { kind: 'opaque', path: directory };
  const hidden = name.slice(PREFIX.length);
  const isName = hidden !== '' && hidden !== '.' && hidden !== '..' && !isReservedName(hidden);
  return isName ? { kind: 'remove', path: joinTreePath(directory, hidden) } : { kind: 'nothing' };
}

/** Whether no file of an image can have this name. */
export function isReservedName(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** The name in a layer that says it. */
export function whiteoutPath({ kind, path }: Exclude<Whiteout, { kind: 'nothing' }>): TreePath {
  return kind === 'opaque' ? joinTreePath(path, OPAQUE) : joinTreePath(parentOf(path), `${PREFIX}${baseName(path)}`);
}
