import { lstatSync, rmSync } from 'node:fs';
import { fromText, toFsPath } from '../byteString.ts';
import { joinTreePath } from '../tree/path.ts';
import type { TreePath } from '../tree/tree.ts';
import { inside, namesIn } from './moveTree.ts';
import type { StayingPaths } from './stayingPaths.ts';

/**
 * Removes a path with all that is below it, but for what stays and the directories that hold it. No mount is entered, no link
 * followed. `''` empties the root.
 */
export function removeOutside(path: TreePath, root: string, stays: StayingPaths): void {
  const disk = inside(fromText(root), path);
  if (stays.covers(path)) return;
  if (!stays.holds(path) || lstatSync(toFsPath(disk), { throwIfNoEntry: false })?.isDirectory() !== true) {
    rmSync(toFsPath(disk), { recursive: true, force: true });
    return;
  }
  for (const name of namesIn(disk)) removeOutside(joinTreePath(path, name), root, stays);
}
