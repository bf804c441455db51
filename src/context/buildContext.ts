/**
 * Where a build's files come from. A context is a directory on this machine, given as such or unpacked from an archive;
 * `openContextTree` shows it to the build, `findDockerfile` and `readIgnoreFile` read what is read from it before.
 */
import { createReadStream, realpathSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { BuildError, hasErrno } from '../errors.ts';
import { decompress } from '../layer/decompress.ts';
import { unpackArchive } from './unpackArchive.ts';

export interface BuildContext extends AsyncDisposable {
  /** Absolute, without links; a sub-path is part of it. */
  readonly directory: string;
  /** Set for what came from elsewhere: nothing is read through a link that leads out of this directory. */
  readonly confinedTo?: string;
}

export interface BuildContextOptions {
  /** A directory, or a `scheme://` context. */
  readonly context: string;
  readonly subPath?: string;
  /** What relative paths are relative to. */
  readonly cwd: string;
  /** Where an archive is unpacked; made if missing. */
  readonly scratchDirectory: string;
  /** For `tar://stdin`. Default: this process's. */
  readonly stdin?: Readable & { readonly isTTY?: boolean };
}

/**
 * Makes a context's files available; disposing of it removes what was unpacked.
 * @throws BuildError `CONTEXT_MISSING`, `CONTEXT_UNKNOWN`, `CONTEXT_UNSUPPORTED`, `CONTEXT_NOT_FOUND`, `CONTEXT_INVALID`
 */
export async function openBuildContext(options: BuildContextOptions): Promise<BuildContext> {
  const { context, cwd, subPath } = options;
  if (context === '') {
    throw new BuildError(
      'CONTEXT_MISSING',
      'please specify a path to the build context with the --context flag or a bucket with the --bucket flag',
    );
  }
  const scheme = /^([^/]*):\/\//.exec(context)?.[1];
  const rest = scheme === undefined ? context : context.slice(scheme.length + 3);
  if (scheme === undefined || scheme === 'dir') return openDirectory(resolve(cwd, rest), subPath);
  if (scheme === 'tar') return openArchive(rest, options);
  throw KNOWN_SCHEMES.has(scheme)
    ? new BuildError('CONTEXT_UNSUPPORTED', `${scheme}:// build contexts are not supported yet`, {
        hint: 'Fetch the context first and give its directory, or an archive as tar://PATH.',
      })
    : new BuildError(
        'CONTEXT_UNKNOWN',
        'unknown build context prefix provided, please use one of the following: gs://, dir://, tar://, s3://, git://, https://',
      );
}

const KNOWN_SCHEMES: ReadonlySet<string> = new Set(['gs', 's3', 'git', 'https']);

function openDirectory(path: string, subPath: string | undefined): BuildContext {
  return {
    directory: realDirectory(subPath === undefined ? path : join(path, subPath)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function openArchive(path: string, options: BuildContextOptions): Promise<BuildContext> {
  const source = path === 'stdin' ? (options.stdin ?? process.stdin) : openFile(resolve(options.cwd, path));
  if ('isTTY' in source && source.isTTY) {
    throw new BuildError('CONTEXT_MISSING', "no data found.. don't forget to add the '--interactive, -i' flag");
  }
  await mkdir(options.scratchDirectory, { recursive: true });
  const unpacked = realpathSync(await mkdtemp(join(options.scratchDirectory, 'context-')));
  const remove = (): Promise<void> => rm(unpacked, { recursive: true, force: true });
  try {
    await unpackArchive(decompress(source as AsyncIterable<Uint8Array>, 'the build context'), unpacked);
    const directory = realDirectory(join(unpacked, options.subPath ?? ''));
    if (!liesIn(directory, unpacked)) {
      throw new BuildError('CONTEXT_INVALID', `the sub-path ${options.subPath ?? ''} leads out of the build context`);
    }
    return { directory, confinedTo: unpacked, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  } finally {
    source.destroy();
  }
}

/** Opened before anything is unpacked, so that a wrong path is an error of its own. */
function openFile(path: string): Readable {
  if (statsOf(path)?.isDirectory() !== false) {
    throw new BuildError('CONTEXT_NOT_FOUND', `the build context ${path} is not an archive file`, {
      hint: 'tar:// takes the path of a tar file, plain or compressed with gzip or zstd.',
    });
  }
  return createReadStream(path, { highWaterMark: 512 << 10 });
}

function realDirectory(path: string): string {
  const stats = statsOf(path);
  if (stats === undefined || !stats.isDirectory()) {
    throw new BuildError(
      'CONTEXT_NOT_FOUND',
      stats === undefined ? `the build context ${path} does not exist` : `the build context ${path} is not a directory`,
      { hint: 'Check --context and --context-sub-path.' },
    );
  }
  return realpathSync(path);
}

function statsOf(path: string): { isDirectory(): boolean } | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw new BuildError('CONTEXT_UNREADABLE', `cannot read the build context ${path}`, { cause: error });
  }
}

/** Both without links. */
export function liesIn(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}
