import { readFileSync } from 'node:fs';
import { libc } from './libc.ts';
import { check } from './systemError.ts';

/** All capabilities of Linux, at the place of their number (capabilities(7)). */
export const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;

export type Capability = (typeof CAPABILITIES)[number];
export type CapabilitySet = ReadonlySet<Capability>;

/** The five sets of a thread; numbers newer than `CAPABILITIES` are left out. */
export interface CapabilitySets {
  readonly inheritable: CapabilitySet;
  readonly permitted: CapabilitySet;
  readonly effective: CapabilitySet;
  readonly bounding: CapabilitySet;
  readonly ambient: CapabilitySet;
}

/** Those of the calling thread; needs /proc. */
export function readCapabilities(): CapabilitySets {
  return parseCapabilities(readFileSync('/proc/thread-self/status', 'latin1'));
}

/** The `Cap…` lines of a `/proc/PID/status`; a missing line is an empty set. */
export function parseCapabilities(status: string): CapabilitySets {
  const set = (field: string): CapabilitySet => {
    const hex = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0';
    const bits = BigInt(`0x${hex}`);
    return new Set(CAPABILITIES.filter((_, number) => (bits >> BigInt(number)) & 1n));
  };
  return {
    inheritable: set('CapInh'),
    permitted: set('CapPrm'),
    effective: set('CapEff'),
    bounding: set('CapBnd'),
    ambient: set('CapAmb'),
  };
}

const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4n;

/** Takes everything but `keep` out of the calling thread's bounding set, for good. @throws SystemError, `EPERM` without CAP_SETPCAP */
export function dropBoundingSet(keep: CapabilitySet): void {
  // Past the kernel's last capability reading fails; capabilities that have no name here yet are dropped too.
  for (let number = 0; number < 64; number++) {
    const held = libc().prctl(PR_CAPBSET_READ, BigInt(number), 0n, 0n, 0n);
    if (held < 0) return;
    const name = CAPABILITIES[number];
    if (held === 0 || (name !== undefined && keep.has(name))) continue;
    check(libc().prctl(PR_CAPBSET_DROP, BigInt(number), 0n, 0n, 0n), { syscall: 'prctl' });
  }
}

/** @throws SystemError */
export function clearAmbientSet(): void {
  check(libc().prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0n, 0n, 0n), { syscall: 'prctl' });
}

/**
 * Sets the calling thread's sets, as capset(2) allows: nothing is permitted that was not before.
 * For a launcher before `execve`; other threads keep theirs. @throws SystemError
 */
export function setCapabilities(sets: Pick<CapabilitySets, 'effective' | 'permitted' | 'inheritable'>): void {
  // struct __user_cap_header_struct, version 3, the calling thread.
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x2008_0522, 0);
  // Two struct __user_cap_data_struct: the low 32 bits of the three sets, then the high ones.
  const data = Buffer.alloc(24);
  for (const [i, set] of [sets.effective, sets.permitted, sets.inheritable].entries()) {
    const bits = bitsOf(set);
    data.writeUInt32LE(Number(bits & 0xffff_ffffn), 4 * i);
    data.writeUInt32LE(Number(bits >> 32n), 12 + 4 * i);
  }
  check(libc().capset(header, data), { syscall: 'capset' });
}

function bitsOf(set: CapabilitySet): bigint {
  let bits = 0n;
  for (const [number, name] of CAPABILITIES.entries()) if (set.has(name)) bits |= 1n << BigInt(number);
  return bits;
}
