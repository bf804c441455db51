import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { BuildError, messageOf } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import type { Reference } from '../registry/reference.ts';

export interface DigestFiles {
  readonly digestFile?: string | undefined;
  readonly imageNameWithDigestFile?: string | undefined;
  readonly imageNameTagWithDigestFile?: string | undefined;
}

/**
 * Writes the files that pipelines read an image's digest from, exactly as kaniko does: the digest without a newline; a line for each
 * destination, `registry/repository@digest` or `registry/repository:tag@digest` (both files get the latter if both are asked for).
 * In place: a pod's termination log is a mount and can't be renamed onto.
 * @throws BuildError `OUTPUT_FAILED`
 */
export function writeDigestFiles(files: DigestFiles, digest: Digest, destinations: readonly Reference[]): void {
  if (files.digestFile !== undefined) writeInPlace(files.digestFile, digest);
  const withTag = files.imageNameTagWithDigestFile !== undefined;
  const lines = destinations
    .map(
      ({ registry, repository, tag }) => `${registry}/${repository}${withTag ? `:${tag ?? 'latest'}` : ''}@${digest}\n`,
    )
    .join('');
  for (const path of [files.imageNameWithDigestFile, files.imageNameTagWithDigestFile]) {
    if (path !== undefined) writeInPlace(path, lines);
  }
}

function writeInPlace(path: string, content: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, content, { mode: 0o644 });
  } catch (error) {
    throw new BuildError('OUTPUT_FAILED', `can't write ${path}: ${messageOf(error)}`, { cause: error });
  }
}
