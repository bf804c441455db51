import { extname, join } from 'node:path';
import type { BuildRequest } from '../build/request.ts';
import { BuildError, hasErrno } from '../errors.ts';
import type { EnteredNamespace } from '../rootfs/userNamespace.ts';
import { mayRun } from './mayRun.ts';

/** Where this process came to be. */
export type ProcessPlace =
  | {
      readonly kind: 'as-started';
      /** Why it is in no user namespace although it could use one; absent if that was not tried. */
      readonly refused?: string;
    }
  | { readonly kind: 'user-namespace'; readonly entered: EnteredNamespace };

/**
 * What a process needs once before it builds. Everything before this must be free of effects, because this is where
 * the process may be replaced by one of itself in other namespaces.
 */
export async function prepareProcess(
  request: BuildRequest,
  entered: EnteredNamespace | undefined,
): Promise<ProcessPlace> {
  const needsMore = entered === undefined && mayNeedNamespace(request) && expectsRun(request);
  const place = needsMore ? await enter() : undefined;
  process.umask(0o022);
  // A reader that went away (`kasane build | head`) ends the reading, not the build.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!hasErrno(error, 'EPIPE')) throw error;
    });
  }
  return place ?? (entered === undefined ? { kind: 'as-started' } : { kind: 'user-namespace', entered });
}

/**
 * A build that failed because a RUN came up that the Dockerfile does not show, from ONBUILD of its base image, starts once more in a
 * user namespace: then this does not return.
 */
export async function startAnewIfUseful(
  error: unknown,
  request: BuildRequest,
  place: ProcessPlace,
): Promise<ProcessPlace> {
  if (!(error instanceof BuildError) || error.code !== 'ISOLATION_UNAVAILABLE') return place;
  if (place.kind !== 'as-started' || place.refused !== undefined || !mayNeedNamespace(request)) return place;
  // Read to its end by now.
  return request.context === 'tar://stdin' ? place : enter();
}

/** The program of this command line, as a source or as a bundle. */
const MAIN = join(import.meta.dirname, extname(import.meta.filename) === '.ts' ? 'main.ts' : 'cli.js');

function mayNeedNamespace({ isolation }: BuildRequest): boolean {
  return isolation === 'auto' || isolation === 'namespace';
}

/** Only what has a RUN pays for it. */
function expectsRun(request: BuildRequest): boolean {
  return request.isolation === 'namespace' || mayRun(request, process.cwd());
}

async function enter(): Promise<ProcessPlace> {
  const { enterUserNamespace, mayMount } = await import('../rootfs/userNamespace.ts');
  if (mayMount()) return { kind: 'as-started' };
  return { kind: 'as-started', refused: enterUserNamespace(MAIN, process.argv.slice(2)) };
}
