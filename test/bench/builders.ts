import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { runProgram } from '../bases/program.ts';
import type { Command } from './measure.ts';

export interface BuildJob {
  readonly context: string;
  /** What the image is pushed as. */
  readonly destination: string;
  /** On a fresh disk: everything the builder writes goes there. */
  readonly disk: string;
}

/** A program that builds and pushes an image. */
export interface Builder {
  readonly name: string;
  readonly version: string;
  command(job: BuildJob): Command;
}

const REPOSITORY = join(import.meta.dirname, '../..');

/** kasane as it is published: bundled, without its sources, in a copy below `directory`. */
export function packedKasane(directory: string): Builder {
  const root = join(directory, 'kasane');
  mkdirSync(root, { recursive: true });
  for (const name of ['bin', 'src', 'scripts', 'package.json']) {
    cpSync(join(REPOSITORY, name), join(root, name), { recursive: true });
  }
  const modules = join(root, 'node_modules');
  symlinkSync(join(REPOSITORY, 'node_modules'), modules);
  runProgram(process.execPath, [join(root, 'scripts/build.ts')]);
  for (const name of ['src', 'scripts', 'node_modules']) rmSync(join(root, name), { recursive: true });
  // A Node.js of its own: pages of its program that the bench has too would count half.
  const node = relative(join(REPOSITORY, 'node_modules'), realpathSync(process.execPath));
  mkdirSync(dirname(join(modules, node)), { recursive: true });
  copyFileSync(process.execPath, join(modules, node));
  const program = join(root, 'bin/kasane');
  return {
    name: 'kasane',
    version: runProgram(program, ['version']).trim(),
    command: ({ context, destination, disk }) => ({
      words: [
        program,
        'build',
        `--kaniko-dir=${disk}/kasane`,
        '--insecure',
        '--insecure-pull',
        `--destination=${destination}`,
        context,
      ],
      env: environment(disk),
      cwd: '/',
      logFile: join(disk, 'log'),
    }),
  };
}

/** The machine's buildah: chroot isolation, overlay, a layer for each step. */
export function buildah(): Builder {
  return {
    name: 'buildah',
    version: runProgram('buildah', ['--version']).trim(),
    command: ({ context, destination, disk }) => ({
      words: [
        'sh',
        '-ec',
        'buildah build --isolation=chroot --layers --tls-verify=false --tag="$0" "$1"; exec buildah push --tls-verify=false "$0"',
        destination,
        context,
      ],
      env: { ...environment(disk), ...configureBuildah(disk) },
      cwd: '/',
      logFile: join(disk, 'log'),
    }),
  };
}

function configureBuildah(disk: string): Record<string, string> {
  const write = (name: string, text: string): string => {
    const path = join(disk, name);
    writeFileSync(path, text);
    return path;
  };
  return {
    // It asks for more than it may have where CAP_SYS_RESOURCE is missing.
    CONTAINERS_CONF: write(
      'containers.conf',
      `[containers]\ndefault_ulimits = ["nofile=${hardLimit('Max open files')}", "nproc=${processLimit()}"]\n`,
    ),
    CONTAINERS_STORAGE_CONF: write(
      'storage.conf',
      `[storage]\ndriver = "overlay"\ngraphroot = "${disk}/graphroot"\nrunroot = "${disk}/runroot"\n`,
    ),
  };
}

function processLimit(): string {
  const limit = Math.min(
    Number(hardLimit('Max processes').split(':')[0]),
    Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8')),
  );
  return `${limit}:${limit}`;
}

function hardLimit(name: string): string {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const value = new RegExp(`^${name}\\s+\\S+\\s+(\\d+)`, 'm').exec(limits)?.[1] ?? '1048576';
  return `${value}:${value}`;
}

function environment(disk: string): Record<string, string> {
  const [home, temporary] = [join(disk, 'home'), join(disk, 'tmp')];
  for (const directory of [home, temporary]) mkdirSync(directory, { recursive: true });
  return { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, HOME: home, TMPDIR: temporary, LC_ALL: 'C' };
}
