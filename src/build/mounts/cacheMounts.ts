import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../../errors.ts';
import { digestHex, digestOf } from '../../image/digest.ts';
import { giveTo } from '../../linux/owner.ts';
import { tryLock, waitForLock, type FileLock } from '../../linux/fileLock.ts';
import type { RunMount } from '../../plan/step.ts';

export type CacheMount = Extract<RunMount, { type: 'cache' }>;

/** A cache directory in use. */
export interface HeldCache extends Disposable {
  readonly directory: string;
}

export interface CacheOptions {
  /** Where all caches lie; outlives builds. */
  readonly directory: string;
  /** Fills a new cache that has `from`; gives a directory that may be moved. */
  readonly initial: (() => Promise<string>) | undefined;
  readonly signal: AbortSignal | undefined;
  /** It will be moved to where it is used, so that nobody can share it. */
  readonly alone: boolean;
  /** Somebody else holds a `locked` cache. */
  readonly onWait: () => void;
}

/**
 * The directory of a cache mount. As in BuildKit, what it starts from (`from`, `source`, mode, owner) belongs to its identity beside the
 * id. `shared` caches are used by anyone at once, a `locked` one by one RUN of all builds on this disk, and of a `private` one there are
 * as many copies as are used at once.
 */
export async function holdCache(mount: CacheMount, options: CacheOptions): Promise<HeldCache> {
  const identity = [mount.id, mount.from ?? null, mount.source, mount.mode, mount.uid, mount.gid];
  const base = join(options.directory, digestHex(digestOf(JSON.stringify(identity))));
  mkdirSync(options.directory, { recursive: true });
  if (mount.sharing === 'shared' && !options.alone)
    return { ...(await ensure(base, mount, options)), [Symbol.dispose]: () => undefined };
  if (mount.sharing !== 'private') {
    const lock = await waitForLock(`${base}.lock`, options.signal, options.onWait);
    return hold(lock, await ensure(base, mount, options));
  }
  for (let number = 0; ; number++) {
    const lock = tryLock(`${base}-${number}.lock`);
    if (lock !== undefined) return hold(lock, await ensure(`${base}-${number}`, mount, options));
  }
}

function hold(lock: FileLock, { directory }: { readonly directory: string }): HeldCache {
  return { directory, [Symbol.dispose]: () => lock[Symbol.dispose]() };
}

/** Appears whole: another build that is quicker wins. */
async function ensure(
  directory: string,
  { mode, uid, gid }: CacheMount,
  { initial }: CacheOptions,
): Promise<{ readonly directory: string }> {
  if (existsSync(directory)) return { directory };
  const made = initial === undefined ? mkdtempSync(`${directory}.new-`) : await initial();
  giveTo(made, uid, gid);
  chmodSync(made, mode);
  try {
    renameSync(made, directory);
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    rmSync(made, { recursive: true, force: true });
  }
  return { directory };
}
