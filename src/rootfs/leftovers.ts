import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BuildError, hasErrno } from '../errors.ts';
import { reapChild, setChildSubreaper } from '../linux/process.ts';
import type { Supervisor } from './launch.ts';

const REAP_MILLISECONDS = 1000;
const POLL_MILLISECONDS = 5;
/** A killed process may be in the middle of something that can't be interrupted. */
const PATIENCE_MILLISECONDS = 30_000;

/**
 * Ends what commands leave behind where there is no pid namespace to do it: this process becomes the parent of every orphan below
 * it. While a command runs, orphans that have ended are reaped; after it, the others are killed. Node's own child, the command, is
 * never waited for here.
 */
export class Leftovers implements Supervisor, Disposable {
  #command: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    setChildSubreaper();
  }

  started(pid: number): void {
    this.#command = pid;
    this.#timer = setInterval(() => this.#reapEnded(), REAP_MILLISECONDS);
    this.#timer.unref();
  }

  /** @throws BuildError `LEFTOVER_PROCESS` for one that can't be ended */
  async ended(): Promise<void> {
    clearInterval(this.#timer);
    for (let waited = 0; this.#endOrphans(); waited += POLL_MILLISECONDS) {
      if (waited > PATIENCE_MILLISECONDS) throw this.#persistent();
      await sleep(POLL_MILLISECONDS);
    }
    this.#command = undefined;
  }

  /** At the end of this process: kills the command and what it started, without waiting for long. */
  endNow(): void {
    if (this.#command !== undefined) kill(this.#command);
    this.#command = undefined;
    const nap = new Int32Array(new SharedArrayBuffer(4));
    for (let tries = 0; tries < 200 && this.#endOrphans(); tries++) Atomics.wait(nap, 0, 0, POLL_MILLISECONDS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    setChildSubreaper(false);
  }

  /** Kills the living and reaps the dead among the orphans; false if there are none. */
  #endOrphans(): boolean {
    const orphans = this.#orphans();
    for (const { pid, isDead } of orphans) if (!isDead) kill(pid);
    for (const { pid } of orphans) reap(pid);
    return orphans.length > 0;
  }

  #reapEnded(): void {
    for (const { pid, isDead } of this.#orphans()) if (isDead) reap(pid);
  }

  #orphans(): Process[] {
    return processes().filter(({ pid, parent }) => parent === process.pid && pid !== this.#command);
  }

  #persistent(): BuildError {
    const names = this.#orphans().map(({ pid, name }) => `${name} (${pid})`);
    return new BuildError('LEFTOVER_PROCESS', `a RUN left processes behind that can't be ended: ${names.join(', ')}`, {
      hint: 'Ending processes of other users takes CAP_KILL, which containers have by default.',
    });
  }
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly isDead: boolean;
}

function processes(): Process[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      // The name is in parentheses and may hold some.
      const text = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const end = text.lastIndexOf(')');
      const [state, parent] = text.slice(end + 2).split(' ');
      const name = text.slice(text.indexOf('(') + 1, end);
      return [{ pid: Number(entry), parent: Number(parent), name, isDead: state === 'Z' || state === 'X' }];
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ESRCH')) return [];
      throw error;
    }
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasErrno(error, 'ESRCH', 'EPERM')) throw error;
  }
}

function reap(pid: number): void {
  try {
    reapChild(pid);
  } catch (error) {
    if (!hasErrno(error, 'ECHILD')) throw error;
  }
}
