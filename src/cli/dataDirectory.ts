import { join, resolve } from 'node:path';
import { BuildError } from '../errors.ts';
import type { Face, Surroundings } from './surroundings.ts';

/**
 * The directory for kasane's own files: what the flag or KANIKO_DIR says, else /kaniko for kaniko's face. For a person
 * at a prompt /kaniko if it can be written to, else the user's cache directory, else one in /var/tmp. Never one that lies in the context, where it would
 * become part of the image.
 * @throws BuildError `DATA_DIRECTORY_IN_CONTEXT`
 */
export function dataDirectory(wanted: string, context: string, face: Face, around: Surroundings): string {
  const contextDirectory = context.includes('://') ? undefined : context;
  const inContext = (path: string): boolean =>
    contextDirectory !== undefined && contextDirectory !== '/' && `${path}/`.startsWith(`${contextDirectory}/`);
  if (wanted !== '') {
    const path = resolve(around.workingDirectory, wanted);
    if (inContext(path)) {
      throw new BuildError('DATA_DIRECTORY_IN_CONTEXT', `The data directory ${path} lies in the context ${context}`, {
        hint: 'Name a directory outside of the context with --kaniko-dir.',
      });
    }
    return path;
  }
  const path = candidates(face, around).find((candidate) => !inContext(candidate));
  if (path !== undefined) return path;
  throw new BuildError('DATA_DIRECTORY_IN_CONTEXT', `Every usual data directory lies in the context ${context}`, {
    hint: 'Name a directory outside of the context with --kaniko-dir.',
  });
}

function candidates(face: Face, around: Surroundings): string[] {
  if (face === 'executor') return ['/kaniko'];
  const { XDG_CACHE_HOME: cache, HOME: home } = around.environment;
  // Pods often run an ordinary user whose home is / or is not there.
  const caches = [
    ...(cache?.startsWith('/') === true ? [join(cache, 'kasane')] : []),
    ...(home?.startsWith('/') === true ? [join(home, '.cache', 'kasane')] : []),
  ].filter((path) => around.canHaveDirectory(path));
  return [...(around.isWritableDirectory('/kaniko') ? ['/kaniko'] : []), ...caches, `/var/tmp/kasane-${around.uid}`];
}
