import type { Content, Entry } from './entry.ts';
import type { TreePath } from './tree.ts';

/**
 * One difference that a layer records.
 * - `put`: the path is this entry now, whatever was there; a directory over a directory keeps its children.
 * - `link`: the path is another name of `target`, a regular file put earlier in the same changes.
 * - `remove`: the path, and all below it, is gone (an OCI whiteout).
 * - `opaque`: what lower layers had below this directory is gone (an OCI opaque whiteout).
 */
export type Change =
  | { readonly kind: 'put'; readonly path: TreePath; readonly entry: Entry; readonly content?: Content }
  | { readonly kind: 'link'; readonly path: TreePath; readonly target: TreePath; readonly entry: Entry }
  | { readonly kind: 'remove'; readonly path: TreePath }
  | { readonly kind: 'opaque'; readonly path: TreePath };

/**
 * Sorted by path (parents before children; byte order per component); within one path `remove` and `opaque` come first.
 * At most one `put` or `link` per path.
 */
export type Changes = readonly Change[];
