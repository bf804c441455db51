import type { CapabilitySet } from '../linux/capabilities.ts';
import { hasSingleId, type IdMap } from '../linux/idMap.ts';

/** What a process has to do with who it may become in a user namespace of its own. */
export interface UserNamespaceFacts {
  readonly uid: number;
  readonly gid: number;
  readonly uids: IdMap;
  readonly gids: IdMap;
  readonly effective: CapabilitySet;
  readonly noNewPrivileges: boolean;
  /** Contents of /etc/subuid and /etc/subgid; empty if there is none. */
  readonly subuid: string;
  readonly subgid: string;
  /** Names this user may have in them, beside the number. */
  readonly names: readonly string[];
  /** Whether newuidmap and newgidmap are there. */
  readonly hasMapPrograms: boolean;
}

export interface UserNamespacePlan {
  /** Who writes the maps: whoever may, the setuid programs newuidmap and newgidmap, or the process itself. */
  readonly writer: 'direct' | 'programs' | 'self';
  readonly uids: IdMap;
  readonly gids: IdMap;
  /** Why there is only one id. */
  readonly reason?: string;
}

/** The kernel's limit for lines of a map. */
const MAX_RANGES = 340;

/**
 * The most ids that can be had: all those of this process where it may map them, else the user's own as 0 with the ranges of /etc/subuid
 * and /etc/subgid above it, else the user's own alone.
 */
export function planUserNamespace(facts: UserNamespaceFacts): UserNamespacePlan {
  const { uid, gid, effective } = facts;
  if (uid === 0 && IDENTITY_NEEDS.every((name) => effective.has(name))) {
    return { writer: 'direct', uids: identity(facts.uids), gids: identity(facts.gids) };
  }
  const single = { uids: [{ inside: 0, outside: uid, count: 1 }], gids: [{ inside: 0, outside: gid, count: 1 }] };
  const reason = whyNoRanges(facts);
  if (reason !== undefined) return { writer: 'self', ...single, reason };
  const owners = [...facts.names, String(uid)];
  const uids = [...single.uids, ...stacked(subordinateIds(facts.subuid, owners))];
  const gids = [...single.gids, ...stacked(subordinateIds(facts.subgid, owners))];
  return { writer: 'programs', uids: uids.slice(0, MAX_RANGES), gids: gids.slice(0, MAX_RANGES) };
}

/** CAP_SETFCAP since Linux 5.12, for a map that has the outer 0. */
const IDENTITY_NEEDS = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETFCAP'] as const;

function identity(map: IdMap): IdMap {
  return map.map(({ inside, count }) => ({ inside, outside: inside, count }));
}

function whyNoRanges({ uid, subuid, subgid, names, ...facts }: UserNamespaceFacts): string | undefined {
  if (uid === 0) return `root lacks one of ${IDENTITY_NEEDS.join(', ')}`;
  const owners = [...names, String(uid)];
  for (const [file, text] of [
    ['/etc/subuid', subuid],
    ['/etc/subgid', subgid],
  ] as const) {
    if (subordinateIds(text, owners).length === 0) return `${file} has no range for user ${names[0] ?? uid}`;
  }
  if (!facts.hasMapPrograms) return 'newuidmap and newgidmap are not installed (package uidmap)';
  if (facts.noNewPrivileges) return 'no_new_privs is set, so that newuidmap gets no privilege';
  if (hasSingleId(facts)) return 'this process is in a user namespace that has a single id itself';
  return undefined;
}

interface SubordinateRange {
  readonly first: number;
  readonly count: number;
}

/** subuid(5): `name-or-uid:first:count`, in the order of the file. */
export function subordinateIds(text: string, owners: readonly string[]): SubordinateRange[] {
  return text.split('\n').flatMap((line) => {
    const [owner = '', first = '', count = ''] = line.trim().split(':');
    const isRange = /^\d+$/.test(first) && /^[1-9]\d*$/.test(count);
    return isRange && owners.includes(owner) ? [{ first: Number(first), count: Number(count) }] : [];
  });
}

/** Ids from 1 on. */
function stacked(ranges: readonly SubordinateRange[]): IdMap {
  let inside = 1;
  return ranges.map(({ first, count }) => {
    const range = { inside, outside: first, count };
    inside += count;
    return range;
  });
}
