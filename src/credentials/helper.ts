import { spawn } from 'node:child_process';
import { messageOf } from '../errors.ts';
import type { Credential } from './credential.ts';

export type HelperAnswer =
  | { readonly kind: 'found'; readonly credential: Credential }
  | { readonly kind: 'nothing' }
  /** Without secrets. */
  | { readonly kind: 'failed'; readonly reason: string };

/** Asks the helper of that name for a server. Never rejects. */
export type HelperRunner = (
  helper: string,
  server: string,
  environment: Readonly<Record<string, string | undefined>>,
) => Promise<HelperAnswer>;

const TIMEOUT_MILLISECONDS = 60_000;
const MAX_OUTPUT = 1024 * 1024;

/** Runs `docker-credential-<helper> get` by the protocol of docker-credential-helpers. */
export const runCredentialHelper: HelperRunner = async (helper, server, environment) => {
  if (!/^[A-Za-z0-9._-]+$/.test(helper)) return { kind: 'failed', reason: 'its name is not valid' };
  let output: HelperOutput;
  try {
    output = await run(`docker-credential-${helper}`, server, environment);
  } catch (error) {
    return { kind: 'failed', reason: messageOf(error) };
  }
  // Helpers report failures on stdout.
  if (output.code !== 0) {
    const reason = `${output.stdout}\n${output.stderr}`.trim();
    if (/credentials not found/i.test(reason)) return { kind: 'nothing' };
    return {
      kind: 'failed',
      reason: reason === '' ? `exit code ${output.code}` : (reason.split('\n')[0] ?? '').slice(0, 300),
    };
  }
  return parseAnswer(output.stdout);
};

/** The helper's answer; `<token>` as the user name marks an identity token. */
export function parseAnswer(stdout: string): HelperAnswer {
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    return { kind: 'failed', reason: 'its answer is not JSON' };
  }
  if (typeof answer !== 'object' || answer === null) return { kind: 'failed', reason: 'its answer is not an object' };
  const { Username: username, Secret: secret } = answer as { Username?: unknown; Secret?: unknown };
  if (typeof username !== 'string' || typeof secret !== 'string') {
    return { kind: 'failed', reason: 'its answer has no Username and Secret' };
  }
  if (username === '' && secret === '') return { kind: 'nothing' };
  return {
    kind: 'found',
    credential:
      username === '<token>'
        ? { kind: 'identity-token', token: secret }
        : { kind: 'basic', username, password: secret },
  };
}

interface HelperOutput {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(
  program: string,
  server: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<HelperOutput> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], {
      env: { ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: TIMEOUT_MILLISECONDS,
      killSignal: 'SIGKILL',
    });
    const chunks = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        chunks[name] += chunk;
        if (chunks[name].length > MAX_OUTPUT) child.kill('SIGKILL');
      });
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? new Error(`${program} is not in PATH`, { cause: error }) : error);
    });
    child.once('close', (code, signal) => {
      if (code === null) reject(new Error(`${program} was ended by ${signal ?? 'a signal'}`));
      else resolve({ code, ...chunks });
    });
    // A helper may end without reading its input.
    child.stdin.on('error', () => {});
    child.stdin.end(server);
  });
}
