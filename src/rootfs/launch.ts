import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { getCompileCacheDir } from 'node:module';
import { constants } from 'node:os';
import { dirname, extname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { BuildError } from '../errors.ts';
import type { LaunchReply, LaunchSpec } from './launchSpec.ts';
import { makeOutputPipe } from './outputPipe.ts';
import type { RunCommand, RunResult } from './rootfs.ts';
import { unshareProgram } from './unshareProgram.ts';

/** Compiled beside this file, or bundled beside it. */
const LAUNCHER = join(import.meta.dirname, `launcher${extname(import.meta.filename)}`);

export interface LaunchOptions extends Pick<RunCommand, 'onOutput' | 'signal' | 'network'> {
  /** A directory that only the builder writes to: pipes get a name here for a moment. */
  readonly directory: string;
  /** Without namespaces of its own: who ends what the command leaves behind. */
  readonly supervisor?: Supervisor;
}

export interface Supervisor {
  /** The launcher's process id, which becomes the command's. */
  started(pid: number): void;
  /** The command has ended; when this resolves, so has everything it started. */
  ended(): Promise<void>;
}

export type Launched = RunResult & { readonly ready: LaunchReply & { readonly kind: 'ready' } };

/**
 * Starts the launcher in fresh mount, pid, ipc, uts and cgroup namespaces, or in place, and waits until it, the command that
 * took its place, and everything that either left behind are dead.
 * @throws BuildError with the launcher's reason if the command could not be started
 */
export async function launch(spec: LaunchSpec, options: LaunchOptions): Promise<Launched> {
  options.signal?.throwIfAborted();
  const output = new HeldOutput(options.onOutput);
  const stdout = makeOutputPipe(join(options.directory, 'stdout'), (chunk) => output.push('stdout', chunk));
  const stderr = makeOutputPipe(join(options.directory, 'stderr'), (chunk) => output.push('stderr', chunk));
  const { supervisor } = options;
  const prefix = supervisor === undefined ? [unshareProgram(), ...namespaceFlags(options.network), '--'] : [];
  const [program = '', ...words] = [...prefix, ...launcherArguments()];
  const child = spawn(program, words, {
    cwd: '/',
    env: launcherEnvironment(options.directory),
    stdio: ['ignore', stdout.writeEnd, stderr.writeEnd, 'pipe'],
    // A session of its own, away from the terminal and its signals.
    detached: true,
  });
  closeSync(stdout.writeEnd);
  closeSync(stderr.writeEnd);
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
    if (child.pid !== undefined) supervisor?.started(child.pid);
  });
  const exit = exited.then(async (status) => {
    await supervisor?.ended();
    return status;
  });
  const channel = child.stdio[3] as Duplex;
  // A launcher that died before it read all is seen by its exit.
  channel.on('error', () => undefined);
  channel.end(JSON.stringify(spec));

  let pid: number | undefined;
  const kill = (): void => {
    // The command is process 1 of its namespace: all in it die with it, and unshare ends when it has gone.
    if (pid === undefined) child.kill('SIGKILL');
    else if (child.exitCode === null && child.signalCode === null) process.kill(pid, 'SIGKILL');
  };
  options.signal?.addEventListener('abort', kill, { once: true });
  try {
    const [reply, ended] = await Promise.all([
      readReply(channel).then((answer) => {
        if (answer?.kind === 'ready') {
          pid = answer.pid;
          output.release();
          if (options.signal?.aborted === true) kill();
        }
        return answer;
      }),
      exit,
      stdout.ended,
      stderr.ended,
    ]);
    options.signal?.throwIfAborted();
    if (reply?.kind !== 'ready') throw setupError(reply, output.heldText());
    return { ...resultOf(ended.code, ended.signal), ready: reply };
  } catch (error) {
    throw launchError(error);
  } finally {
    options.signal?.removeEventListener('abort', kill);
  }
}

function namespaceFlags(network: RunCommand['network']): string[] {
  return [
    '--mount',
    '--propagation=private',
    '--pid',
    '--ipc',
    '--uts',
    '--cgroup',
    ...(network === 'none' ? ['--net'] : []),
    '--fork',
    '--kill-child',
  ];
}

function launcherArguments(): string[] {
  return [process.execPath, '--experimental-ffi', '--disable-warning=ExperimentalWarning', LAUNCHER];
}

/** Nothing of the builder's own environment, where credentials may be. */
function launcherEnvironment(directory: string): NodeJS.ProcessEnv {
  const cache = getCompileCacheDir();
  return {
    PATH: process.env['PATH'],
    OPENSSL_CONF: '/dev/null',
    // Sources have their types stripped at start, which takes longer than all the rest; this is read instead.
    // Node.js names the directory of its version, below the one that was asked for.
    NODE_COMPILE_CACHE: cache === undefined ? join(directory, '..', 'compile-cache') : dirname(cache),
    NODE_COMPILE_CACHE_PORTABLE: '1',
  };
}

/** One line. The end of the stream would come late: `unshare` holds the channel for as long as the command runs. */
function readReply(channel: Duplex): Promise<LaunchReply | undefined> {
  const { promise, resolve } = Promise.withResolvers<LaunchReply | undefined>();
  let received = '';
  channel.setEncoding('utf8');
  channel.on('data', (chunk: string) => {
    received += chunk;
    if (received.endsWith('\n')) resolve(JSON.parse(received) as LaunchReply);
  });
  // Without an answer: a launcher that died; its exit and its standard error say why.
  channel.on('close', () => resolve(undefined));
  return promise;
}

function resultOf(code: number | null, signal: NodeJS.Signals | null): RunResult {
  if (signal === null) return { exitCode: code ?? 1 };
  return { exitCode: 128 + constants.signals[signal], signal };
}

function setupError(reply: LaunchReply | undefined, stderr: string): BuildError {
  if (reply?.kind === 'failed') {
    return new BuildError(reply.code, `can't prepare a root file system for RUN: ${reply.message}`);
  }
  return new BuildError(
    'ISOLATION_UNAVAILABLE',
    `can't start a RUN in namespaces of its own: ${stderr.trim() === '' ? 'the launcher gave no answer' : stderr.trim()}`,
    { hint: 'Allow CAP_SYS_ADMIN (and an unconfined AppArmor profile), or remove RUN from the Dockerfile.' },
  );
}

function launchError(error: unknown): unknown {
  if (error instanceof Error && 'syscall' in error && String(error.syscall).startsWith('spawn')) {
    return new BuildError('ISOLATION_UNAVAILABLE', `can't start util-linux's unshare: ${error.message}`, {
      cause: error,
      hint: 'Install util-linux.',
    });
  }
  return error;
}

/** Keeps what comes before the command has started: it is the launcher's, and says why it failed. */
class HeldOutput {
  readonly #onOutput: RunCommand['onOutput'];
  #held: { stream: 'stdout' | 'stderr'; chunk: Uint8Array }[] | undefined = [];

  constructor(onOutput: RunCommand['onOutput']) {
    this.#onOutput = onOutput;
  }

  push(stream: 'stdout' | 'stderr', chunk: Uint8Array): void {
    if (this.#held === undefined) this.#onOutput(stream, chunk);
    else this.#held.push({ stream, chunk });
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const { stream, chunk } of held) this.#onOutput(stream, chunk);
  }

  heldText(): string {
    return Buffer.concat((this.#held ?? []).map(({ chunk }) => chunk)).toString();
  }
}
