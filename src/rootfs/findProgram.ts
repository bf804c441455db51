import { accessSync, constants, statSync } from 'node:fs';
import { hasErrno } from '../errors.ts';

/** A program that can't be started; `exitCode` is what a shell would end with. */
export class ProgramError extends Error {
  readonly exitCode: 126 | 127;

  constructor(message: string, exitCode: 126 | 127) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Looks a program up as execvp(3) does: a name with a slash is a path, any other is searched in `path`. To be called as
 * the user who will run it.
 * @throws ProgramError in runc's words
 */
export function findProgram(name: string, path: string): string {
  if (name.includes('/')) {
    const problem = problemOf(name);
    if (problem === undefined) return name;
    throw new ProgramError(
      problem === 'EACCES'
        ? `exec: "${name}": permission denied`
        : `exec: "${name}": stat ${name}: no such file or directory`,
      problem === 'EACCES' ? 126 : 127,
    );
  }
  let denied = false;
  for (const directory of path.split(':')) {
    if (directory === '') continue;
    const candidate = `${directory}/${name}`;
    const problem = problemOf(candidate);
    if (problem === undefined) return candidate;
    denied ||= problem === 'EACCES';
  }
  throw denied
    ? new ProgramError(`exec: "${name}": permission denied`, 126)
    : new ProgramError(`exec: "${name}": executable file not found in $PATH`, 127);
}

function problemOf(path: string): 'ENOENT' | 'EACCES' | undefined {
  try {
    if (statSync(path).isDirectory()) return 'EACCES';
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    return hasErrno(error, 'EACCES', 'EPERM') ? 'EACCES' : 'ENOENT';
  }
}
