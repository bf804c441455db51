import { readFileSync } from 'node:fs';
import { hasErrno } from '../errors.ts';
import {
  clearAmbientSet,
  dropBoundingSet,
  readCapabilities,
  setCapabilities,
  type Capability,
} from '../linux/capabilities.ts';
import type { SpecCommand } from './launchSpec.ts';

/** Docker's default capabilities: what a RUN can ever have, also through a setuid program. */
const DOCKER_DEFAULT: ReadonlySet<Capability> = new Set<Capability>([
  'CAP_AUDIT_WRITE',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_MKNOD',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
]);

/** Gives up every other identity and capability, for this thread and what it executes. */
export function becomeUser({ uid, gid, groups }: Pick<SpecCommand, 'uid' | 'gid' | 'groups'>): void {
  dropBoundingSet(DOCKER_DEFAULT);
  clearAmbientSet();
  setGroups(groups);
  process.setgid?.(gid);
  // Root keeps what the bounding set allows when it executes something, any other user nothing.
  process.setuid?.(uid);
  const { effective, permitted } = readCapabilities();
  setCapabilities({ effective, permitted, inheritable: new Set() });
}

/** A user namespace with a single id may not set groups: it has no other to set. */
function setGroups(groups: readonly number[]): void {
  if (readFileSync('/proc/self/setgroups', 'latin1').trim() === 'deny') return;
  process.setgroups?.([...groups]);
}

/**
 * The same where the machine is the builder's own container: root keeps what the container gave it, any other user has nothing.
 * A container that may not change identities still runs what is root's.
 */
export function becomeUserInPlace({ uid, gid, groups }: Pick<SpecCommand, 'uid' | 'gid' | 'groups'>): void {
  try {
    if (!sameGroups(process.getgroups?.() ?? [], groups)) process.setgroups?.([...groups]);
  } catch (error) {
    if (uid !== 0 || gid !== 0 || !hasErrno(error, 'EPERM')) throw error;
  }
  if (process.getgid?.() !== gid) process.setgid?.(gid);
  if (process.getuid?.() !== uid) process.setuid?.(uid);
  const { effective, permitted } = readCapabilities();
  setCapabilities({ effective, permitted, inheritable: new Set() });
}

function sameGroups(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && b.every((group) => a.includes(group));
}
