import { spawnSync } from 'node:child_process';

export interface ProgramSettings {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Descriptor 3 of the program. */
  readonly channel?: number;
  /** Exit codes that are no failure. Default: 0. */
  readonly accept?: readonly number[];
}

/** Runs a program with this process's environment and more; gives its stdout. @throws Error with the end of what it wrote */
export function runProgram(words: readonly string[], settings: ProgramSettings = {}): string {
  const [name = '', ...args] = words;
  const { env = {}, cwd, channel, accept = [0] } = settings;
  const { status, stdout, stderr, error } = spawnSync(name, args, {
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['ignore', 'pipe', 'pipe', ...(channel === undefined ? [] : [channel])],
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) throw new Error(`can't start ${name}: ${error.message}`, { cause: error });
  if (status === null || !accept.includes(status))
    throw new Error(`${words.join(' ')} ended with ${status}: ${`${stdout}${stderr}`.trim().slice(-600)}`);
  return stdout;
}
