// What a launcher does to its own process before it executes the command of a RUN.
import { libc } from './libc.ts';
import { check } from './systemError.ts';

const LAST_SIGNAL = 64;
/** KILL and STOP can't be changed; 32 and 33 belong to the C library. */
const FIXED_SIGNALS = new Set([9, 19, 32, 33]);
const SIG_DFL = 0n;
const SIG_SETMASK = 2;

/**
 * Gives every signal its default action and unblocks all: an ignored or blocked signal stays so through `execve`, and
 * Node ignores SIGPIPE. Node's own handlers are gone afterwards, so this is for right before `process.execve`.
 * @throws SystemError
 */
export function resetSignals(): void {
  for (let number = 1; number <= LAST_SIGNAL; number++) if (!FIXED_SIGNALS.has(number)) libc().signal(number, SIG_DFL);
  // sigset_t has 128 bytes in both C libraries.
  check(libc().sigprocmask(SIG_SETMASK, Buffer.alloc(128), null), { syscall: 'sigprocmask' });
}

const PR_SET_CHILD_SUBREAPER = 36;

/** Orphaned descendants become children of this process, to be ended and reaped here. @throws SystemError */
export function setChildSubreaper(on = true): void {
  check(libc().prctl(PR_SET_CHILD_SUBREAPER, on ? 1n : 0n, 0n, 0n, 0n), { syscall: 'prctl' });
}

const PR_SET_PDEATHSIG = 1;

/** Kills this process when its parent dies. Forgotten when this process changes its user. @throws SystemError */
export function dieWithParent(): void {
  check(libc().prctl(PR_SET_PDEATHSIG, 9n, 0n, 0n, 0n), { syscall: 'prctl' });
}

const WNOHANG = 1;

/**
 * Reaps one child that has ended; false if it still runs. Only for children that a subreaper inherited: Node waits for
 * its own. @throws SystemError, `ECHILD` if it is no child
 */
export function reapChild(pid: number): boolean {
  return check(libc().waitpid(pid, null, WNOHANG), { syscall: 'waitpid' }) === pid;
}

/** How many files a process may have open; `Infinity` for no limit. */
export interface FileLimit {
  readonly soft: number;
  readonly hard: number;
}

const RLIMIT_NOFILE = 7;
const RLIM_INFINITY = 2n ** 64n - 1n;

export function readFileLimit(): FileLimit {
  const limit = Buffer.alloc(16);
  check(libc().prlimit(0, RLIMIT_NOFILE, null, limit), { syscall: 'prlimit' });
  return { soft: toNumber(limit.readBigUInt64LE(0)), hard: toNumber(limit.readBigUInt64LE(8)) };
}

/** For this process and what it starts. @throws SystemError, `EPERM` if `hard` is raised without CAP_SYS_RESOURCE */
export function setFileLimit({ soft, hard }: FileLimit): void {
  const limit = Buffer.alloc(16);
  limit.writeBigUInt64LE(toLimit(soft), 0);
  limit.writeBigUInt64LE(toLimit(hard), 8);
  check(libc().prlimit(0, RLIMIT_NOFILE, limit, null), { syscall: 'prlimit' });
}

/** Of this uts namespace. @throws SystemError */
export function setHostname(name: string): void {
  const bytes = Buffer.from(name);
  check(libc().sethostname(bytes, BigInt(bytes.length)), { syscall: 'sethostname' });
}

function toNumber(limit: bigint): number {
  return limit === RLIM_INFINITY ? Infinity : Number(limit);
}

function toLimit(limit: number): bigint {
  return limit === Infinity ? RLIM_INFINITY : BigInt(limit);
}
