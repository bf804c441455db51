import { join } from 'node:path';
import { readIdMaps } from '../linux/idMap.ts';
import { idMapEnding } from '../linux/idMapEnding.ts';
import type { OverlayXattrs } from './overlayXattrs.ts';

/**
 * Where unpacked layers lie in a data directory. The same owner is another number on disk under other maps of ids, and the marks of
 * overlayfs another attribute: what was unpacked under one of them is of no use under another.
 */
export function layersDirectory(dataDirectory: string, xattrs: OverlayXattrs, maps = readIdMaps()): string {
  return join(dataDirectory, `layers${xattrs === 'user' ? '-user' : ''}${idMapEnding(maps)}`);
}
