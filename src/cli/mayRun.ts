import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { BuildRequest } from '../build/request.ts';

/**
 * Whether a build may come to a RUN, as far as that shows at a glance: false only if the Dockerfile lies on this machine and no line
 * of it begins with RUN. A base image's ONBUILD is not looked at.
 */
export function mayRun(
  { dockerfile, context, contextSubPath = '' }: Pick<BuildRequest, 'dockerfile' | 'context' | 'contextSubPath'>,
  workingDirectory: string,
): boolean {
  const isLocal = !context.includes('://') || context.startsWith('dir://');
  const directory = resolve(workingDirectory, context.replace(/^dir:\/\//, ''), contextSubPath);
  // As the build looks for it: beside, then inside.
  for (const path of [resolve(workingDirectory, dockerfile), ...(isLocal ? [join(directory, dockerfile)] : [])]) {
    const text = textOf(path) ?? textOf(path.replace(/Dockerfile$/, 'dockerfile'));
    if (text !== undefined) return /^\s*(?:ONBUILD\s+)?RUN\b/im.test(text);
  }
  return true;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The build says what is wrong with it.
    return undefined;
  }
}
