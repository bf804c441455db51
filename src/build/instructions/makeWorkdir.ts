import type { Changes } from '../../tree/change.ts';
import type { Timestamp } from '../../tar/header.ts';
import type { Tree } from '../../tree/tree.ts';
import { WorkingTree } from '../../tree/workingTree.ts';
import { makeDirectories } from './copyFiles.ts';

/** WORKDIR: the missing part of a path, 0755 and all of it the user's. Nothing if it is there. */
export function makeWorkdir(
  tree: Tree,
  path: string,
  owner: { readonly uid: number; readonly gid: number },
  now: Timestamp,
): Changes {
  const working = new WorkingTree(tree);
  makeDirectories(working, path, { owner, now });
  return working.changes();
}
