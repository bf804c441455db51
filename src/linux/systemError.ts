import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { libc } from './libc.ts';

export interface SystemCall {
  readonly syscall: string;
  readonly path?: string | Buffer;
  readonly dest?: string | Buffer;
}

/** An error in the shape that `node:fs` throws: `code` (`EPERM`), negative `errno`, `syscall`, `path`, `dest`. */
export interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly path?: string;
  readonly dest?: string;
}

/** Gives back a C function's result; a negative one becomes the thrown `SystemError`. To be called right after it. */
export function check(result: number, call: SystemCall): number {
  if (result >= 0) return result;
  throw systemError(libc().errno(), call);
}

export function systemError(errno: number, { syscall, path, dest }: SystemCall): SystemError {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [nameOf(errno), `error ${errno}`];
  const places = [path, dest].filter((place) => place !== undefined).map((place) => `'${place.toString()}'`);
  const error = new Error(`${code}: ${text}, ${[syscall, places.join(' -> ')].filter(Boolean).join(' ')}`);
  return Object.assign(error, {
    code,
    errno: -errno,
    syscall,
    ...(path === undefined ? {} : { path: path.toString() }),
    ...(dest === undefined ? {} : { dest: dest.toString() }),
  });
}

/** For what libuv, and so `getSystemErrorMap`, does not know: `ECHILD`, say. */
function nameOf(errno: number): string {
  const known = Object.entries(constants.errno).find(([, number]) => number === errno);
  return known?.[0] ?? 'UNKNOWN';
}
