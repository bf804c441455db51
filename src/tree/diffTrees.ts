import type { ByteString } from '../byteString.ts';
import type { Change, Changes } from './change.ts';
import { contentKey, sameEntry } from './entry.ts';
import { joinTreePath } from './path.ts';
import type { NodeId, Tree, TreePath } from './tree.ts';

/**
 * What turns one tree into another: apply(diff(a, b), a) = b. Directories above a change are part of it. Contents are the same only if they
 * lie in the same place. Names of one file that are all new stay its names; a new name for a file that is otherwise unchanged becomes a
 * file of its own.
 */
export function diffTrees(below: Tree, above: Tree): Changes {
  const changes: Change[] = [];
  const links = new Map<number, TreePath>();
  diffDirectory({ below, above, changes, links }, below.root, above.root, '' as TreePath);
  return changes;
}

interface Diff {
  readonly below: Tree;
  readonly above: Tree;
  readonly changes: Change[];
  /** Inodes of `above` that were put, by their first path. */
  readonly links: Map<number, TreePath>;
}

/** Adds what differs below two directories; says whether anything does. */
function diffDirectory(diff: Diff, lower: NodeId | undefined, upper: NodeId, path: TreePath): boolean {
  const { below, above, changes } = diff;
  const before = changes.length;
  const names = above.names(upper);
  const present = new Set<ByteString>(names);
  const removed = lower === undefined ? [] : below.names(lower).filter((name) => !present.has(name));
  for (const name of [...names, ...removed].sort()) {
    const child = joinTreePath(path, name);
    if (present.has(name)) diffName(diff, lower, upper, name, child);
    else changes.push({ kind: 'remove', path: child });
  }
  return changes.length > before;
}

function diffName(diff: Diff, lower: NodeId | undefined, upper: NodeId, name: ByteString, path: TreePath): void {
  const { below, above, changes, links } = diff;
  const node = above.child(upper, name);
  if (node === undefined) return;
  const old = lower === undefined ? undefined : below.child(lower, name);
  const entry = above.entry(node);
  const oldEntry = old === undefined ? undefined : below.entry(old);
  if (entry.type === 'directory') {
    const put: Change = { kind: 'put', path, entry };
    const at = changes.push(put) - 1;
    const sameType = oldEntry?.type === 'directory';
    const inside = diffDirectory(diff, sameType ? old : undefined, node, path);
    if (!inside && sameType && sameEntry(oldEntry, entry)) changes.splice(at, 1);
    return;
  }
  const same =
    old !== undefined &&
    oldEntry !== undefined &&
    sameEntry(oldEntry, entry) &&
    (entry.type !== 'file' || contentKey(below.content(old)) === contentKey(above.content(node)));
  if (same) return;
  const first = entry.type === 'file' ? links.get(above.inode(node)) : undefined;
  if (first !== undefined) {
    changes.push({ kind: 'link', path, target: first, entry });
    return;
  }
  if (entry.type === 'file') links.set(above.inode(node), path);
  changes.push({ kind: 'put', path, entry, ...(entry.type === 'file' ? { content: above.content(node) } : {}) });
}
