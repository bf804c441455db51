import { readFileSync } from 'node:fs';

/** One line of /proc/PID/uid_map or gid_map (user_namespaces(7)): `count` ids from `inside` on are those from `outside` on. */
interface IdRange {
  readonly inside: number;
  /** As numbered in the user namespace of whoever reads or writes the file. */
  readonly outside: number;
  readonly count: number;
}

/** Which ids there are in a user namespace; empty until somebody has written it. */
export type IdMap = readonly IdRange[];

export interface IdMaps {
  readonly uids: IdMap;
  readonly gids: IdMap;
}

/** Of this process. */
export function readIdMaps(directory = '/proc/self'): IdMaps {
  return {
    uids: parseIdMap(readFileSync(`${directory}/uid_map`, 'latin1')),
    gids: parseIdMap(readFileSync(`${directory}/gid_map`, 'latin1')),
  };
}

export function parseIdMap(text: string): IdMap {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [inside = NaN, outside = NaN, count = NaN] = line.trim().split(/\s+/).map(Number);
      return { inside, outside, count };
    });
}

/** As the kernel wants it written. */
export function formatIdMap(map: IdMap): string {
  return map.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join('');
}

export function hasId(map: IdMap, id: number): boolean {
  return map.some(({ inside, count }) => id >= inside && id < inside + count);
}

/** For messages: `0-65535, 70000`. */
export function listIds(map: IdMap): string {
  const runs: { first: number; end: number }[] = [];
  for (const { inside, count } of map.toSorted((a, b) => a.inside - b.inside)) {
    const last = runs.at(-1);
    if (last?.end === inside) last.end += count;
    else runs.push({ first: inside, end: inside + count });
  }
  return runs.map(({ first, end }) => (end === first + 1 ? `${first}` : `${first}-${end - 1}`)).join(', ');
}

/** Nothing can be given to anybody else there, and nobody else can be become. */
export function hasSingleId({ uids, gids }: IdMaps): boolean {
  return [uids, gids].some((map) => map.reduce((sum, { count }) => sum + count, 0) <= 1);
}

/** Whether ids are those of the machine. */
export function isInitial({ uids, gids }: IdMaps): boolean {
  return [uids, gids].every((map) => formatIdMap(map) === '0 0 4294967295\n');
}
