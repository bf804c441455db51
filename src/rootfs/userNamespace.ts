/**
 * Who may not mount here may do so in a user namespace. It is entered once, at start: this process is replaced by one of itself
 * in a new user and mount namespace, so that everything afterwards sees one set of ids. Node has threads and can't enter one itself:
 * util-linux's unshare does, and a helper that stays outside gives the namespace its ids.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { getCompileCacheDir } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { hasErrno, messageOf } from '../errors.ts';
import { parseCapabilities } from '../linux/capabilities.ts';
import { formatIdMap, hasSingleId, listIds, readIdMaps } from '../linux/idMap.ts';
import { reapChild } from '../linux/process.ts';
import { findProgram } from './findProgram.ts';
import { unshareProgram } from './unshareProgram.ts';
import { planUserNamespace, type UserNamespaceFacts, type UserNamespacePlan } from './userNamespacePlan.ts';

/** Handed on from the process outside to the one inside, and to no other. */
const VARIABLE = 'KASANE_USER_NAMESPACE';

const COMPILE_CACHE = ['NODE_COMPILE_CACHE', 'NODE_COMPILE_CACHE_PORTABLE'] as const;

const WORKER = join(import.meta.dirname, `idMapWorker${extname(import.meta.filename)}`);

interface Handover {
  readonly uid: number;
  readonly gid: number;
  readonly plan: UserNamespacePlan;
  /** The helper's process id. */
  readonly helper?: number;
  /** Whether the environment names a compile cache that the user's did not. */
  readonly hasOwnCompileCache: boolean;
}

/** The user namespace that this process entered. */
export interface EnteredNamespace {
  /** Of this process outside. */
  readonly uid: number;
  /** For the log. */
  readonly description: string;
}

/** Whether this process can mount as it is: then it needs no user namespace. */
export function mayMount(): boolean {
  return process.geteuid?.() === 0 && parseCapabilities(ownStatus()).effective.has('CAP_SYS_ADMIN');
}

/**
 * Starts this program anew in a user namespace, in this process's place: this does not return where it works, and gives the reason
 * where it does not. Nothing of the process may be at work yet.
 * @param program Node.js's first argument; `args` follow it
 */
export function enterUserNamespace(program: string, args: readonly string[]): string {
  const plan = planUserNamespace(collectFacts());
  const unshare = unshareProgram();
  const flags = ['--user', '--mount', '--propagation=private'];
  // For one id unshare needs no helper. Else it keeps the capabilities for the moment in which there are no ids.
  flags.push(plan.writer === 'self' ? '--map-root-user' : '--keep-caps', '--');
  const refusal = tryIt(unshare, flags);
  if (refusal !== undefined) return plan.reason === undefined ? refusal : `${refusal} (${plan.reason})`;
  let helper: number | undefined;
  if (plan.writer !== 'self') {
    // Sees by its parent, which stays the same process, what it has to do.
    const child = spawn(process.execPath, [...process.execArgv, WORKER, JSON.stringify(plan)], {
      cwd: '/',
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (child.pid === undefined) return 'no helper process can be started';
    helper = child.pid;
  }
  const handover: Handover = {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    plan,
    hasOwnCompileCache: process.env['NODE_COMPILE_CACHE'] === undefined,
    ...(helper === undefined ? {} : { helper }),
  };
  const path = unshare.includes('/') ? unshare : findProgram(unshare, process.env['PATH'] ?? '');
  process.execve?.(path, [path, ...flags, process.execPath, ...process.execArgv, program, ...args], {
    ...definedOnly(process.env),
    ...compileCache(),
    [VARIABLE]: JSON.stringify(handover),
  });
  return 'this Node.js can not execute a program in its own place';
}

/**
 * To be called first of all: in the process that `enterUserNamespace` starts, waits until there are ids, and says what was
 * entered. Undefined in any other.
 */
export function enteredUserNamespace(): EnteredNamespace | undefined {
  const text = process.env[VARIABLE];
  if (text === undefined) return undefined;
  delete process.env[VARIABLE];
  const { uid, gid, plan, helper, hasOwnCompileCache } = JSON.parse(text) as Handover;
  if (hasOwnCompileCache) for (const name of COMPILE_CACHE) delete process.env[name];
  if (helper !== undefined) waitFor(helper);
  const failure = writeMissing(uid, gid);
  const { uids, gids } = readIdMaps();
  const reason = plan.reason ?? failure;
  const ids = hasSingleId({ uids, gids }) ? 'a single id, 0' : `the ids ${listIds(uids)} and groups ${listIds(gids)}`;
  return {
    uid,
    description: `in a user namespace with ${ids}${reason === undefined ? '' : `: ${reason}`}`,
  };
}

function ownStatus(): string {
  return readFileSync('/proc/self/status', 'latin1');
}

function collectFacts(): UserNamespaceFacts {
  const uid = process.getuid?.() ?? 0;
  const status = ownStatus();
  const path = process.env['PATH'] ?? '';
  return {
    uid,
    gid: process.getgid?.() ?? 0,
    ...readIdMaps(),
    effective: parseCapabilities(status).effective,
    noNewPrivileges: /^NoNewPrivs:\s*1$/m.test(status),
    subuid: textOf('/etc/subuid'),
    subgid: textOf('/etc/subgid'),
    names: ownNames(uid),
    hasMapPrograms: ['newuidmap', 'newgidmap'].every((name) => canFind(name, path)),
  };
}

function ownNames(uid: number): string[] {
  const text = textOf('/etc/passwd');
  const accounts = text.split('\n').map((line) => line.split(':'));
  const found = accounts.flatMap(([name = '', , number]) => (number === String(uid) ? [name] : []));
  if (found.length > 0) return found;
  // Whom this file does not know may be known to a directory service.
  const { USER: user = '' } = process.env;
  return user === '' || text === '' || accounts.some(([name]) => name === user) ? [] : [user];
}

/** A program that does nothing, started in the same way: what is refused shows before this process has gone. */
function tryIt(unshare: string, flags: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(unshare, [...flags, unshare, '--version'], { encoding: 'utf8' });
  if (error !== undefined) return `can't start util-linux's unshare: ${error.message}`;
  if (status === 0) return undefined;
  return stderr.trim() === '' ? `unshare ended with exit code ${status}` : stderr.trim();
}

/** Also lets the helper's remains go, of which this Node.js knows nothing. */
function waitFor(helper: number): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  try {
    while (!reapChild(helper)) Atomics.wait(never, 0, 0, 1);
  } catch (error) {
    if (!hasErrno(error, 'ECHILD')) throw error;
  }
}

/** One's own id can be had without any help. */
function writeMissing(uid: number, gid: number): string | undefined {
  const { uids, gids } = readIdMaps();
  if (uids.length > 0 && gids.length > 0) return undefined;
  try {
    if (uids.length === 0) writeFileSync('/proc/self/uid_map', formatIdMap([{ inside: 0, outside: uid, count: 1 }]));
    if (gids.length === 0) {
      writeFileSync('/proc/self/setgroups', 'deny');
      writeFileSync('/proc/self/gid_map', formatIdMap([{ inside: 0, outside: gid, count: 1 }]));
    }
  } catch (error) {
    return `no id could be mapped: ${messageOf(error)}`;
  }
  return 'the range of ids was refused';
}

function compileCache(): Record<string, string> {
  const directory = getCompileCacheDir();
  // Node.js names the directory of its version, below the one that was asked for.
  return directory === undefined ? {} : { [COMPILE_CACHE[0]]: dirname(directory), [COMPILE_CACHE[1]]: '1' };
}

function definedOnly(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}

function canFind(program: string, path: string): boolean {
  try {
    findProgram(program, path);
    return true;
  } catch {
    return false;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES')) return '';
    throw error;
  }
}
