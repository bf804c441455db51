import type { NodeId, Tree } from './tree.ts';

/** A tree seen from one of its directories. */
export function subtree(tree: Tree, root: NodeId): Tree {
  return {
    root,
    child: (directory, name) => tree.child(directory, name),
    names: (directory) => tree.names(directory),
    entry: (node) => tree.entry(node),
    inode: (node) => tree.inode(node),
    content: (node) => tree.content(node),
  };
}
