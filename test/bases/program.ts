import { spawn, spawnSync } from 'node:child_process';

const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name], { env: { ...process.env, PATH } }).status === 0;
}

/** Gives what it wrote to stdout. @throws Error with the end of its stderr */
export function runProgram(
  name: string,
  args: readonly string[],
  more: { readonly env?: NodeJS.ProcessEnv } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(name, args, {
    env: { ...process.env, ...more.env, PATH },
    maxBuffer: 1 << 28,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${name} ${args.join(' ')} failed: ${(stderr || stdout).trim().slice(-400)}`);
  return stdout;
}

/** GNU tar's output for these arguments, `input` as its stdin. */
export async function* tarStream(args: readonly string[], input = ''): AsyncGenerator<Uint8Array> {
  const tar = spawn('tar', ['--format=pax', '--pax-option=delete=atime,delete=ctime', '--numeric-owner', ...args]);
  // A tar that reads no stdin may have ended by now; whether it did its work its exit code says.
  tar.stdin.on('error', () => undefined);
  tar.stdin.end(input);
  let problems = '';
  tar.stderr.on('data', (chunk: Buffer) => (problems += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => tar.once('close', resolve));
  yield* tar.stdout as AsyncIterable<Uint8Array>;
  if ((await ended) !== 0) throw new Error(`tar failed: ${problems}`);
}
