import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { hasErrno } from '../../src/errors.ts';

export interface Measured {
  /** User and system time of all its processes. Seconds. */
  readonly cpu: number;
  readonly user: number;
  readonly system: number;
  /** Seconds. */
  readonly wall: number;
  /** The most that all its processes had together, as proportional set size: pages that several share are counted once. Bytes. */
  readonly memory: number;
}

export interface Command {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** What it prints. */
  readonly logFile: string;
}

const SAMPLE_MILLISECONDS = 20;

/**
 * Runs a command in a cgroup of its own and measures all of it, whatever it forks or leaves behind. Work of the kernel's own threads
 * is not counted.
 * @throws Error with the end of its log if it fails
 */
export async function measure(command: Command): Promise<Measured> {
  const cgroup = join(unifiedCgroup(), `kasane-bench-${process.pid}-${count++}`);
  mkdirSync(cgroup);
  try {
    const sampler = sampleMemory(cgroup);
    const started = process.hrtime.bigint();
    const exitCode = await run(cgroup, command);
    const wall = Number(process.hrtime.bigint() - started) / 1e9;
    const memory = sampler.stop();
    if (exitCode !== 0) {
      const log = readFileSync(command.logFile, 'utf8').trim();
      throw new Error(`${command.words.join(' ')} failed with ${exitCode}:\n${log.slice(-2000)}`);
    }
    return { wall, memory, ...cpuOf(cgroup) };
  } finally {
    await removeCgroup(cgroup);
  }
}

let count = 0;

/** Where cgroup 2 is mounted; its `cpu.stat` is there whatever controllers are enabled. */
function unifiedCgroup(): string {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    if (after.startsWith('cgroup2 ')) return before.split(' ')[4] ?? '';
  }
  throw new Error('no cgroup 2 is mounted');
}

function run(cgroup: string, { words, env, cwd, logFile }: Command): Promise<number> {
  const log = openSync(logFile, 'w');
  const enter = ['sh', '-c', 'echo $$ >"$0" && exec "$@"', join(cgroup, 'cgroup.procs')];
  const [program = '', ...args] = [...enter, ...words];
  const child = spawn(program, args, { env, cwd, stdio: ['ignore', log, log] });
  closeSync(log);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 128));
  });
}

function cpuOf(cgroup: string): Pick<Measured, 'cpu' | 'user' | 'system'> {
  const stat = readFileSync(join(cgroup, 'cpu.stat'), 'utf8');
  const seconds = (name: string): number => Number(new RegExp(`^${name}_usec (\\d+)$`, 'm').exec(stat)?.[1]) / 1e6;
  return { cpu: seconds('usage'), user: seconds('user'), system: seconds('system') };
}

function sampleMemory(cgroup: string): { stop(): number } {
  let peak = 0;
  const timer = setInterval(() => (peak = Math.max(peak, memoryOf(cgroup))), SAMPLE_MILLISECONDS);
  return {
    stop() {
      clearInterval(timer);
      return peak;
    },
  };
}

function memoryOf(cgroup: string): number {
  let sum = 0;
  for (const pid of processesOf(cgroup)) {
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
      sum += Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * 1024;
    } catch (error) {
      // It ended meanwhile.
      if (!hasErrno(error, 'ENOENT', 'ESRCH')) throw error;
    }
  }
  return sum;
}

function processesOf(cgroup: string): string[] {
  return readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean);
}

async function removeCgroup(cgroup: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    for (const pid of processesOf(cgroup)) kill(Number(pid));
    try {
      rmdirSync(cgroup);
      return;
    } catch (error) {
      if (!hasErrno(error, 'EBUSY')) throw error;
    }
    await setTimeout(20);
  }
  throw new Error(`${cgroup} can't be removed`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasErrno(error, 'ESRCH')) throw error;
  }
}
