import { createHash } from 'node:crypto';
import type { TarHeader } from './header.ts';
import type { TarLimits } from './limits.ts';
import { TarReader } from './reader.ts';

export interface CollectedEntry {
  readonly header: TarHeader;
  readonly offset: number;
  /** Bytes given by `data()` and by `hole()`. */
  readonly dataBytes: number;
  readonly holeBytes: number;
  /** Of what `data()` gave. */
  readonly sha256: string;
}

/** For tests: everything that a reader tells about an archive that arrives in pieces of `chunkSize` bytes. */
export function collectEntries(
  archive: Uint8Array,
  options: { readonly chunkSize?: number; readonly holes?: boolean; readonly limits?: Partial<TarLimits> } = {},
): CollectedEntry[] {
  const { chunkSize = archive.length, holes = false, limits = {} } = options;
  const entries: CollectedEntry[] = [];
  let current: { header: TarHeader; offset: number } | undefined;
  let [dataBytes, holeBytes] = [0, 0];
  let hash = createHash('sha256');
  const handler = {
    entry(header: TarHeader, offset: number) {
      if (current !== undefined) throw new Error('entry() before endEntry()');
      current = { header, offset };
      [dataBytes, holeBytes] = [0, 0];
      hash = createHash('sha256');
    },
    data(chunk: Uint8Array) {
      if (current?.header.type !== 'file') throw new Error('data() outside of a file');
      dataBytes += chunk.length;
      hash.update(chunk);
    },
    endEntry() {
      if (current === undefined) throw new Error('endEntry() before entry()');
      entries.push({ ...current, dataBytes, holeBytes, sha256: hash.digest('hex') });
      current = undefined;
    },
  };
  const hole = (length: number): void => {
    holeBytes += length;
  };
  const reader = new TarReader(holes ? { ...handler, hole } : handler, limits);
  for (let at = 0; at < archive.length; at += chunkSize) reader.write(archive.subarray(at, at + chunkSize));
  reader.end();
  return entries;
}
