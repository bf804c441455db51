import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { BuildError, hasErrno, messageOf } from '../errors.ts';

/** @throws BuildError `DATA_DIRECTORY_UNUSABLE` if it can't be made, or not be written to */
export function makeDataDirectory(path: string): void {
  try {
    makeDirectories(path);
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new BuildError('DATA_DIRECTORY_UNUSABLE', `can't use the data directory ${path}: ${messageOf(cause)}`, {
      hint: 'Name a directory that you may write to with --kaniko-dir or KANIKO_DIR; it need not exist.',
      cause,
    });
  }
}

/** Not `mkdirSync` with `recursive`: where the kernel refuses a name with ENOENT, as in /proc, that tries for ever. */
function makeDirectories(path: string): void {
  if (existsSync(path)) return;
  makeDirectories(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another build was quicker.
    if (!hasErrno(error, 'EEXIST')) throw error;
  }
}

export function isWritableDirectory(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether it is there and can be written to, or the part of it that is missing can be made. */
export function canHaveDirectory(path: string): boolean {
  let nearest = path;
  while (!existsSync(nearest) && nearest !== '/') nearest = dirname(nearest);
  return isWritableDirectory(nearest);
}
