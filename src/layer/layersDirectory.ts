import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { formatIdMap, readIdMaps, type IdMap } from '../linux/idMap.ts';
import type { OverlayXattrs } from './overlayXattrs.ts';

/**
 * Where unpacked layers lie in a data directory. The same owner is another number on disk under other maps of ids, and the marks of
 * overlayfs another attribute: what was unpacked under one of them is of no use under another.
 */
export function layersDirectory(dataDirectory: string, xattrs: OverlayXattrs, maps = readIdMaps()): string {
  const { uids, gids } = maps;
  if (xattrs === 'trusted' && isInitial(uids) && isInitial(gids)) return join(dataDirectory, 'layers');
  const identity = `${xattrs}\n${formatIdMap(uids)}\n${formatIdMap(gids)}`;
  return join(dataDirectory, `layers-${createHash('sha256').update(identity).digest('hex').slice(0, 16)}`);
}

function isInitial(map: IdMap): boolean {
  return formatIdMap(map) === '0 0 4294967295\n';
}
