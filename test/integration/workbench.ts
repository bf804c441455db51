import assert from 'node:assert/strict';
import { spawn, type SpawnOptions } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { writeFiles, type Files } from './writeFiles.ts';

/** The program under test, as a user starts it. */
export const KASANE = join(import.meta.dirname, '../../bin/kasane');

export interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Built extends Ended {
  /** The OCI layout that `--oci-layout-path` wrote; its image is tagged `latest`. */
  readonly layout: string;
  /** What `--digest-file` holds; empty if it was not written. */
  readonly digest: string;
}

export interface BuildSettings {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Words before `kasane`: `setpriv …`, `/usr/bin/time …`. */
  readonly prefix?: readonly string[];
  /** The process's stdin: a file. */
  readonly stdin?: string;
  /** Default: given unless `flags` name a destination. */
  readonly push?: boolean;
  /** Default: the workbench's own. */
  readonly dataDirectory?: string;
}

/** A temporary directory and the commands that a test works with in it. */
export interface Workbench {
  readonly directory: string;
  /** A path in it that was not given out before. */
  path(name: string): string;
  /** Writes files into a new directory, and gives its path. */
  files(files: Files): string;
  /** `kasane build` with an OCI layout as output; a context is a directory or the files to put in one. It may fail. */
  tryBuild(context: string | Files, settings?: BuildSettings): Promise<Built>;
  /** The same, and it must succeed. */
  build(context: string | Files, settings?: BuildSettings): Promise<Built>;
  /** Runs any program. */
  run(words: readonly string[], options?: RunOptions): Promise<Ended>;
}

export interface RunOptions extends Pick<SpawnOptions, 'cwd'> {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/**
 * A workbench for one test. At its end its directory is removed, and the test fails if a mount or a process of a build is left.
 * Builds see nothing of this user's configuration: an empty HOME and the environment of `settings` alone.
 */
export function workbench(t: TestContext): Workbench {
  const directory = mkdtempSync('/var/tmp/kasane-test-');
  const home = join(directory, 'home');
  mkdirSync(home);
  let count = 0;
  t.after(() => {
    const left = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(directory));
    if (left.length === 0) rmSync(directory, { recursive: true, force: true });
    assert.deepEqual(left, [], 'mounts are left');
  });
  const path = (name: string): string => join(directory, `${count++}-${name}`);
  const files = (contents: Files): string => writeFiles(path('files'), contents);
  const run = (words: readonly string[], options: RunOptions = {}): Promise<Ended> =>
    runWords(words, { ...options, env: { ...BASE_ENVIRONMENT, HOME: home, ...options.env } });
  const tryBuild = async (context: string | Files, settings: BuildSettings = {}): Promise<Built> => {
    const layout = path('layout');
    const digestFile = path('digest');
    const { prefix = [], flags = [], env = {}, dataDirectory = join(directory, 'data') } = settings;
    const push = settings.push ?? flags.some((flag) => /^(?:-d|-t|--destination|--tag)(?:=|$)/.test(flag));
    const ended = await run(
      [
        ...prefix,
        KASANE,
        'build',
        `--kaniko-dir=${dataDirectory}`,
        `--oci-layout-path=${layout}`,
        `--digest-file=${digestFile}`,
        '--insecure',
        '--insecure-pull',
        ...(push ? [] : ['--no-push']),
        ...flags,
        typeof context === 'string' ? context : files(context),
      ],
      { env, ...(settings.stdin === undefined ? {} : { stdin: settings.stdin }) },
    );
    return { ...ended, layout, digest: existsSync(digestFile) ? readFileSync(digestFile, 'utf8') : '' };
  };
  const build = async (context: string | Files, settings?: BuildSettings): Promise<Built> => {
    const built = await tryBuild(context, settings);
    assert.equal(built.exitCode, 0, built.stderr);
    return built;
  };
  return { directory, path, files, run, tryBuild, build };
}

const BASE_ENVIRONMENT = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' };

function runWords(words: readonly string[], options: RunOptions): Promise<Ended> {
  const { stdin, ...rest } = options;
  const [program = '', ...args] = stdin === undefined ? words : ['sh', '-c', 'exec "$@" <"$0"', stdin, ...words];
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...rest, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({ exitCode: code ?? 128, stdout, stderr: `${stderr}${signal ?? ''}` }),
    );
  });
}
