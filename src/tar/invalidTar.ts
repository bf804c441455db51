import { BuildError } from '../errors.ts';

/** The error for an archive that breaks the format or a limit; `offset` counts bytes of the uncompressed archive. */
export function invalidTar(reason: string, offset?: number): BuildError {
  const place = offset === undefined ? '' : ` at byte ${offset}`;
  return new BuildError('TAR_INVALID', `damaged tar archive${place}: ${reason}`, {
    facts: offset === undefined ? {} : { offset },
  });
}
