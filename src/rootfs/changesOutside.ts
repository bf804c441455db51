import type { Change, Changes } from '../tree/change.ts';
import type { TreePath } from '../tree/tree.ts';
import type { StayingPaths } from './stayingPaths.ts';

type Put = Extract<Change, { kind: 'put' }>;

/**
 * What of some changes can be made real around what stays: nothing at or below it; a directory that holds it stays one, whatever the
 * changes put there. A file that loses its first name so gets the next one as its own.
 */
export function changesOutside(changes: Changes, stays: StayingPaths): Changes {
  const kept: Change[] = [];
  const lost = new Map<TreePath, Put>();
  const renamed = new Map<TreePath, TreePath>();
  for (const change of changes) {
    const { path } = change;
    const isDirectory = change.kind === 'put' && change.entry.type === 'directory';
    if (stays.covers(path) || (stays.holds(path) && !isDirectory)) {
      if (change.kind === 'put') lost.set(path, change);
      // Whatever a directory held goes, where a file or link is to be.
      if (stays.holds(path) && change.kind !== 'opaque') kept.push({ kind: 'remove', path });
      continue;
    }
    if (change.kind !== 'link') {
      kept.push(change);
      continue;
    }
    const first = lost.get(change.target);
    const target = renamed.get(change.target);
    if (target !== undefined) kept.push({ ...change, target });
    else if (first === undefined) kept.push(change);
    else {
      renamed.set(change.target, path);
      kept.push({ ...first, path });
    }
  }
  return kept;
}
