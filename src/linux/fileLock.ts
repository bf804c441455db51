import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { libc } from './libc.ts';
import { systemError } from './systemError.ts';

const LOCK_EXCLUSIVE = 2;
const LOCK_NO_WAIT = 4;
const EAGAIN = 11;
const POLL_MILLISECONDS = 100;

/** An exclusive lock that the kernel takes back when its holder dies, however it dies. */
export interface FileLock extends Disposable {
  readonly path: string;
}

/** Takes the lock of a file, which is made if missing; undefined if somebody else has it. @throws SystemError */
export function tryLock(path: string): FileLock | undefined {
  const descriptor = openSync(path, 'a', 0o600);
  if (libc().flock(descriptor, LOCK_EXCLUSIVE | LOCK_NO_WAIT) === 0) {
    return { path, [Symbol.dispose]: () => closeSync(descriptor) };
  }
  const errno = libc().errno();
  closeSync(descriptor);
  if (errno === EAGAIN) return undefined;
  throw systemError(errno, { syscall: 'flock', path });
}

/** Waits for the lock. `onWait` is called once if somebody else has it. @throws SystemError; the signal's reason */
export async function waitForLock(path: string, signal?: AbortSignal, onWait?: () => void): Promise<FileLock> {
  for (let tries = 0; ; tries++) {
    const lock = tryLock(path);
    if (lock !== undefined) return lock;
    if (tries === 0) onWait?.();
    await sleep(POLL_MILLISECONDS, undefined, signal === undefined ? {} : { signal });
  }
}
