import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError } from '../errors.ts';
import { launch } from './launch.ts';
import type { RootMount } from './launchSpec.ts';

/** How a RUN can get its machine here. */
export type Isolation =
  /** Fresh namespaces for each command, in an overlay or in a plain directory. */
  | {
      readonly mode: 'namespace';
      readonly root: 'overlay' | 'directory';
      /** Why not something better; absent if there is nothing better. */
      readonly reason?: string;
    }
  /** Nothing works; `reason` says what was refused. */
  | { readonly mode: 'none'; readonly reason: string };

/**
 * Finds out by trying: a launcher does all it would do for a command, in an empty root below `directory`, where the roots of the
 * build will lie. Costs what a RUN of /bin/true costs.
 */
export async function probeIsolation(directory: string, signal?: AbortSignal): Promise<Isolation> {
  mkdirSync(directory, { recursive: true });
  const trial = mkdtempSync(join(directory, 'probe-'));
  try {
    for (const name of ['lower', 'upper', 'work', 'root', 'scratch', 'plain']) mkdirSync(join(trial, name));
    const withOverlay = await tryRoot(
      trial,
      {
        kind: 'overlay',
        directory: trial,
        lowers: ['lower'],
        upper: 'upper',
        work: 'work',
        mountPoint: 'root',
      },
      signal,
    );
    if (withOverlay === undefined) return { mode: 'namespace', root: 'overlay' };
    if (withOverlay.code !== 'OVERLAY_UNAVAILABLE') return { mode: 'none', reason: withOverlay.message };
    const plain = await tryRoot(trial, { kind: 'directory', directory: join(trial, 'plain') }, signal);
    if (plain !== undefined) return { mode: 'none', reason: plain.message };
    return { mode: 'namespace', root: 'directory', reason: withOverlay.message };
  } finally {
    rmSync(trial, { recursive: true, force: true });
  }
}

async function tryRoot(trial: string, root: RootMount, signal?: AbortSignal): Promise<BuildError | undefined> {
  try {
    await launch(
      { root, scratch: join(trial, 'scratch'), hostname: 'probe', files: [], mounts: [] },
      { directory: trial, network: 'host', onOutput: () => undefined, ...(signal === undefined ? {} : { signal }) },
    );
    return undefined;
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
}
