import { extname, join } from 'node:path';
import type { BuildRequest } from '../build/request.ts';
import { hasErrno } from '../errors.ts';
import type { EnteredNamespace } from '../rootfs/userNamespace.ts';
import { mayRun } from './mayRun.ts';

/** Where this process came to be; `refused` says why it is in no user namespace although it could use one. */
export type ProcessPlace =
  | { readonly kind: 'as-started'; readonly refused?: string }
  | { readonly kind: 'user-namespace'; readonly entered: EnteredNamespace };

/**
 * What a process needs once before it builds. Everything before this must be free of effects, because this is where
 * the process may be replaced by one of itself in other namespaces.
 */
export async function prepareProcess(
  request: BuildRequest,
  entered: EnteredNamespace | undefined,
): Promise<ProcessPlace> {
  const refused = entered === undefined ? await enterIfNeeded(request) : undefined;
  process.umask(0o022);
  // A reader that went away (`kasane build | head`) ends the reading, not the build.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!hasErrno(error, 'EPIPE')) throw error;
    });
  }
  if (entered !== undefined) return { kind: 'user-namespace', entered };
  return refused === undefined ? { kind: 'as-started' } : { kind: 'as-started', refused };
}

/** The program of this command line, as a source or as a bundle. */
const MAIN = join(import.meta.dirname, extname(import.meta.filename) === '.ts' ? 'main.ts' : 'cli.js');

/** Only what has a RUN and can't mount as it is pays for it. */
async function enterIfNeeded(request: BuildRequest): Promise<string | undefined> {
  const { isolation } = request;
  if (isolation === 'none' || isolation === 'in-place') return undefined;
  if (isolation === 'auto' && !mayRun(request, process.cwd())) return undefined;
  const { enterUserNamespace, mayMount } = await import('../rootfs/userNamespace.ts');
  return mayMount() ? undefined : enterUserNamespace(MAIN, process.argv.slice(2));
}
