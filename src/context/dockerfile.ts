import { readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { BuildError, hasErrno } from '../errors.ts';
import { liesIn, type BuildContext } from './buildContext.ts';
import { compileIgnoreFile, type PatternMatcher } from './patternMatcher.ts';

/**
 * The Dockerfile's path: relative to the working directory, else to the context, as kaniko looks for it; where there is no
 * `Dockerfile` a `dockerfile` will do. It may be a link, as in a Kubernetes configMap.
 * @throws BuildError `DOCKERFILE_NOT_FOUND`, `DOCKERFILE_UNSUPPORTED` for a URL
 */
export function findDockerfile(dockerfile: string, context: BuildContext, cwd: string): string {
  if (/^https?:\/\//.test(dockerfile)) {
    throw new BuildError('DOCKERFILE_UNSUPPORTED', 'a Dockerfile from a URL is not supported yet', {
      hint: 'Fetch it first and give its path.',
    });
  }
  const names = [dockerfile];
  if (basename(dockerfile) === 'Dockerfile') names.push(join(dirname(dockerfile), 'dockerfile'));
  for (const name of names) {
    const beside = resolve(cwd, name);
    if (isFile(beside)) return beside;
    const inside = join(context.directory, name);
    if (isFile(inside)) return confined(inside, context);
  }
  throw new BuildError(
    'DOCKERFILE_NOT_FOUND',
    'please provide a valid path to a Dockerfile within the build context with --dockerfile',
    { hint: `${JSON.stringify(dockerfile)} was looked for in ${cwd} and in the build context ${context.directory}.` },
  );
}

/**
 * What the build leaves out of its context: `<Dockerfile>.dockerignore` if there is one, else the context's `.dockerignore`;
 * undefined if there is neither.
 * @throws BuildError `IGNORE_PATTERN_INVALID`
 */
export function readIgnoreFile(dockerfile: string, context: BuildContext): PatternMatcher | undefined {
  const beside = `${dockerfile}.dockerignore`;
  const inside = join(context.directory, '.dockerignore');
  for (const path of [beside, inside]) {
    if (isFile(path)) return compileIgnoreFile(readFileSync(readable(path, context), 'utf8'), path);
  }
  return undefined;
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return false;
    throw new BuildError('CONTEXT_UNREADABLE', `cannot read ${path}`, { cause: error });
  }
}

/** Files of a context that came from elsewhere must lie in it; the others are the user's own. */
function readable(path: string, context: BuildContext): string {
  return liesIn(path, context.directory) ? confined(path, context) : path;
}

function confined(path: string, context: BuildContext): string {
  if (context.confinedTo === undefined || liesIn(realpathSync(path), context.confinedTo)) return path;
  throw new BuildError('CONTEXT_INVALID', `${path} is a link that leads out of the build context`);
}
