import { lstatSync } from 'node:fs';
import { fromText, toFsPath, type ByteString } from '../byteString.ts';

/**
 * Finds the file that an overlay shows at a path, for a path that is a regular file in the merged tree: then no layer above it has
 * anything in its place or in the place of a directory above it.
 * @param layers bottom first
 */
export function lowerFile(
  layers: readonly string[],
  path: ByteString,
): { readonly path: ByteString; readonly inode: bigint } | undefined {
  for (const layer of layers.toReversed()) {
    const candidate = `${fromText(layer)}/${path}` as ByteString;
    const stat = lstatSync(toFsPath(candidate), { bigint: true, throwIfNoEntry: false });
    if (stat !== undefined) return stat.isFile() ? { path: candidate, inode: stat.ino } : undefined;
  }
  return undefined;
}
