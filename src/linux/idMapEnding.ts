import { createHash } from 'node:crypto';
import { formatIdMap, isInitial, type IdMaps } from './idMap.ts';

/** An ending for the name of a directory whose owners mean something under these maps only; empty if they are the machine's. */
export function idMapEnding(maps: IdMaps): string {
  if (isInitial(maps)) return '';
  const identity = `${formatIdMap(maps.uids)}\n${formatIdMap(maps.gids)}`;
  return `-${createHash('sha256').update(identity).digest('hex').slice(0, 16)}`;
}
