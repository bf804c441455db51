import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  realpathSync,
  statfsSync,
  statSync,
  symlinkSync,
  mkdirSync,
} from 'node:fs';
import { fromText, toFsPath } from '../byteString.ts';
import { hasErrno } from '../errors.ts';
import { mount, MOUNT, type MountRequest } from '../linux/mount.ts';
import { makeNode } from '../linux/mknod.ts';
import { readMounts } from '../linux/mountinfo.ts';

/** What a program may not see of the machine's kernel, as runc and Docker have it. */
const MASKED = [
  'proc/acpi',
  'proc/asound',
  'proc/interrupts',
  'proc/kcore',
  'proc/keys',
  'proc/latency_stats',
  'proc/sched_debug',
  'proc/scsi',
  'proc/timer_list',
  'proc/timer_stats',
  'sys/devices/virtual/powercap',
  'sys/firmware',
];
const READ_ONLY = ['proc/bus', 'proc/fs', 'proc/irq', 'proc/sys', 'proc/sysrq-trigger'];

const DEVICES: readonly (readonly [name: string, major: number, minor: number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
];
const LINKS: readonly (readonly [name: string, target: string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['ptmx', 'pts/ptmx'],
];
const CGROUP2_MAGIC = 0x63677270;
const TTY_GROUP = 5;

/** Mounts /proc, /sys and /dev as a container has them; the three directories are there. */
export function mountSystem(root: string): void {
  mountProc(`${root}/proc`);
  mountSys(`${root}/sys`);
  mountDev(`${root}/dev`);
  for (const path of MASKED) mask(`${root}/${path}`, `${root}/dev/null`);
  for (const path of READ_ONLY) makeReadOnly(`${root}/${path}`);
}

function mountProc(target: string): void {
  const flags = MOUNT.noSuid | MOUNT.noDevices | MOUNT.noExec;
  try {
    mount({ source: 'proc', target, type: 'proc', flags });
  } catch (error) {
    // Refused in a user namespace while parts of the outer /proc are masked.
    if (!hasErrno(error, 'EPERM')) throw error;
    mount({ source: '/proc', target, flags: MOUNT.bind | MOUNT.recursive });
  }
}

function mountSys(target: string): void {
  const flags = MOUNT.noSuid | MOUNT.noDevices | MOUNT.noExec | MOUNT.readOnly;
  try {
    mount({ source: 'sysfs', target, type: 'sysfs', flags });
  } catch (error) {
    if (!hasErrno(error, 'EPERM')) throw error;
    mount({ source: '/sys', target, flags: MOUNT.bind | MOUNT.recursive });
    // What is mounted in it comes along, control groups that the builder may write to among them.
    for (const below of mountsIn(target)) mount({ target: below, flags: MOUNT.bind | MOUNT.remount | flags });
    return;
  }
  // Programs size themselves by the limits of their control group.
  if (existsSync('/sys/fs/cgroup') && statfsSync('/sys/fs/cgroup').type === CGROUP2_MAGIC) {
    mountIfPossible({ source: 'cgroup', target: `${target}/fs/cgroup`, type: 'cgroup2', flags });
  }
}

/** The mount itself and those below it. */
function mountsIn(target: string): (string | Buffer)[] {
  const real = fromText(realpathSync(target));
  const targets = readMounts().map((one) => one.target);
  return targets.filter((one) => one === real || one.startsWith(`${real}/`)).map(toFsPath);
}

function mountDev(target: string): void {
  mount({
    source: 'tmpfs',
    target,
    type: 'tmpfs',
    flags: MOUNT.noSuid,
    data: 'mode=755,size=65536k',
  });
  for (const [name, major, minor] of DEVICES) makeDevice(`${target}/${name}`, `/dev/${name}`, major, minor);
  for (const [name, link] of LINKS) symlinkSync(link, `${target}/${name}`);
  for (const name of ['pts', 'shm', 'mqueue']) mkdirSync(`${target}/${name}`, 0o755);
  mountPts(`${target}/pts`);
  const flags = MOUNT.noSuid | MOUNT.noDevices | MOUNT.noExec;
  mount({ source: 'shm', target: `${target}/shm`, type: 'tmpfs', flags, data: 'mode=1777,size=65536k' });
  mountIfPossible({ source: 'mqueue', target: `${target}/mqueue`, type: 'mqueue', flags });
}

/** For what few programs miss, where the kernel has not got it or keeps it. */
function mountIfPossible(request: MountRequest): void {
  try {
    mount(request);
  } catch (error) {
    if (!hasErrno(error, 'ENODEV', 'ENOENT', 'EPERM', 'EACCES', 'EBUSY')) throw error;
  }
}

/** A node of its own where that is allowed: the mode of a bind-mounted one would be the machine's. */
function makeDevice(path: string, outside: string, major: number, minor: number): void {
  try {
    makeNode(path, 'character', 0o666, { major, minor });
    // The umask took bits off.
    chmodSync(path, 0o666);
  } catch (error) {
    if (!hasErrno(error, 'EPERM')) throw error;
    closeSync(openSync(path, 'wx'));
    mount({ source: outside, target: path, flags: MOUNT.bind });
  }
}

function mountPts(target: string): void {
  const options = 'newinstance,ptmxmode=0666,mode=0620';
  const flags = MOUNT.noSuid | MOUNT.noExec;
  try {
    mount({ source: 'devpts', target, type: 'devpts', flags, data: `${options},gid=${TTY_GROUP}` });
  } catch (error) {
    // The group may have no number in this user namespace.
    if (!hasErrno(error, 'EINVAL')) throw error;
    mount({ source: 'devpts', target, type: 'devpts', flags, data: options });
  }
}

function mask(path: string, empty: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (stat.isDirectory()) mount({ source: 'tmpfs', target: path, type: 'tmpfs', flags: MOUNT.readOnly });
  else mount({ source: empty, target: path, flags: MOUNT.bind });
}

function makeReadOnly(path: string): void {
  if (!existsSync(path)) return;
  mount({ source: path, target: path, flags: MOUNT.bind | MOUNT.recursive });
  mount({
    target: path,
    flags: MOUNT.bind | MOUNT.remount | MOUNT.readOnly | MOUNT.noSuid | MOUNT.noDevices | MOUNT.noExec,
  });
}
