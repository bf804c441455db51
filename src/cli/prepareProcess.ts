import type { BuildRequest } from '../build/request.ts';
import { hasErrno } from '../errors.ts';

/**
 * What a process needs once before it builds. Everything before this must be free of effects, because this is where
 * the process may be replaced by one of itself in other namespaces.
 */
export async function prepareProcess(_request: BuildRequest): Promise<void> {
  process.umask(0o022);
  // A reader that went away (`kasane build | head`) ends the reading, not the build.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!hasErrno(error, 'EPIPE')) throw error;
    });
  }
}
