/**
 * The program that turns into a RUN's command: started as process 1 of fresh namespaces, it builds the command's machine
 * around itself, gives up what a container does not have, and executes the command in its own place. It imports little,
 * because its start is most of what a RUN costs. It never looks up a name and never loads anything after it has entered
 * the root: what is there belongs to the image.
 */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { messageOf, hasErrno } from '../errors.ts';
import { dieWithParent, readFileLimit, resetSignals, setFileLimit, setHostname } from '../linux/process.ts';
import { becomeUser, becomeUserInPlace } from './becomeUser.ts';
import { mountForCommand } from './commandMounts.ts';
import { enterRoot } from './enterRoot.ts';
import { findProgram, ProgramError } from './findProgram.ts';
import type { LaunchReply, LaunchSpec, MadePath, RootMount, SpecCommand } from './launchSpec.ts';
import { MountPointError, placeMountPoint } from './mountPoint.ts';
import { mountRoot, type MountedRoot } from './mountRoot.ts';
import { mountSystem } from './systemMounts.ts';

const CHANNEL = 3;

/** What systemd gives a service; loops that close every possible descriptor get slow far above it. */
const SOFT_FILE_LIMIT = 1024;

class SetupError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

try {
  launch();
} catch (error) {
  const code =
    error instanceof SetupError
      ? error.code
      : error instanceof MountPointError
        ? 'ROOTFS_UNUSABLE'
        : 'ISOLATION_UNAVAILABLE';
  reply({ kind: 'failed', code, message: messageOf(error) });
  process.exitCode = 1;
}

function launch(): void {
  process.umask(0o022);
  closeInherited();
  // The outer /proc is still mounted and knows this process by its outer number.
  const pid = Number(readlinkSync('/proc/self'));
  const spec = JSON.parse(readFileSync(CHANNEL, 'utf8')) as LaunchSpec;
  if (spec.root.kind === 'in-place') {
    launchInPlace(spec, pid);
    return;
  }
  const made: MadePath[] = [];
  const { path: root, overlayOptions } = mountRootOf(spec.root);
  for (const name of ['proc', 'sys', 'dev']) placeMountPoint(root, name, 'directory', { made, followLast: false });
  mountSystem(root);
  mountForCommand(root, spec, made);
  if (spec.command !== undefined) makeWorkingDirectory(root, spec.command.workingDirectory);
  nameMachine(spec.hostname);
  // For the next launcher; what is executed in this one's place would never write it.
  flushCompileCache();
  enterRoot(root);
  useOwnNull();
  const ready: LaunchReply = {
    kind: 'ready',
    pid,
    made,
    ...(overlayOptions === undefined ? {} : { overlayOptions }),
  };
  if (spec.command === undefined) {
    reply(ready);
    return;
  }
  enterWorkingDirectory(spec.command.workingDirectory);
  becomeUser(spec.command);
  takePlace(spec.command, ready);
}

/** The builder has prepared the root file system: it has to take back what it placed there. */
function launchInPlace({ command }: LaunchSpec, pid: number): void {
  flushCompileCache();
  const ready: LaunchReply = { kind: 'ready', pid, made: [] };
  if (command === undefined) {
    reply(ready);
    return;
  }
  enterWorkingDirectory(command.workingDirectory);
  becomeUserInPlace(command);
  dieWithParent();
  takePlace(command, ready);
}

function takePlace(command: SpecCommand, ready: LaunchReply): void {
  const { hard } = readFileLimit();
  setFileLimit({ soft: Math.min(SOFT_FILE_LIMIT, hard), hard });
  reply(ready);
  closeSync(CHANNEL);
  execute(command);
}

/** Engines' seccomp profiles may allow namespaces and all that is mounted in them, but not this. */
function nameMachine(hostname: string): void {
  try {
    setHostname(hostname);
  } catch (error) {
    if (!hasErrno(error, 'EPERM')) throw error;
  }
}

function mountRootOf(root: RootMount): MountedRoot {
  try {
    return mountRoot(root);
  } catch (error) {
    const { kind, directory } = root;
    if (kind === 'directory') throw error;
    // Most often because the directory lies on an overlay itself.
    throw new SetupError('OVERLAY_UNAVAILABLE', `no overlay can be mounted in ${directory}: ${messageOf(error)}`);
  }
}

/** Descriptors that whoever started the build left open are none of the command's business. */
function closeInherited(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const descriptor = Number(name);
    if (descriptor <= CHANNEL) continue;
    try {
      const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, 'latin1'))?.[1];
      const closesOnExec = (Number.parseInt(flags ?? '0', 8) & 0o2000000) !== 0;
      if (!closesOnExec) closeSync(descriptor);
    } catch (error) {
      // The descriptor that listed the directory.
      if (!hasErrno(error, 'ENOENT', 'EBADF')) throw error;
    }
  }
}

/** The builder's /dev/null is the machine's own: a `chmod` of /dev/stdin would reach it. */
function useOwnNull(): void {
  closeSync(0);
  openSync('/dev/null', 'r');
}

/** Made as root, as runc does; not below /proc, whose links lead out of the root. */
function makeWorkingDirectory(root: string, directory: string): void {
  if (/^\/+proc(\/|$)/.test(directory)) return;
  placeMountPoint(root, directory, 'directory', { made: [], closed: ['proc'] });
}

/** A link of /proc may lead to a directory outside the root, which then has no name. */
function enterWorkingDirectory(directory: string): void {
  try {
    process.chdir(directory);
    process.cwd();
  } catch (error) {
    process.chdir('/');
    throw new SetupError('ROOTFS_UNUSABLE', `WORKDIR ${directory} can't be entered: ${messageOf(error)}`);
  }
}

function execute(command: SpecCommand): void {
  const env: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const variable of command.env) {
    const equals = variable.indexOf('=');
    if (equals > 0) env[variable.slice(0, equals)] = variable.slice(equals + 1);
  }
  const [name = ''] = command.argv;
  try {
    const program = findProgram(name, env['PATH'] ?? '');
    resetSignals();
    process.execve?.(program, [...command.argv], env);
  } catch (error) {
    const failure =
      error instanceof ProgramError ? error : new ProgramError(`exec: "${name}": ${reasonOf(error)}`, 126);
    writeSync(2, `${failure.message}\n`);
    process.exitCode = failure.exitCode;
  }
}

function reasonOf(error: unknown): string {
  if (hasErrno(error, 'ENOEXEC')) return 'exec format error';
  if (hasErrno(error, 'ENOENT')) return 'no such file or directory (its interpreter, perhaps)';
  if (hasErrno(error, 'E2BIG')) return 'argument list too long';
  return messageOf(error);
}

function reply(message: LaunchReply): void {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let written = 0; written < bytes.length;) written += writeSync(CHANNEL, bytes, written);
}
