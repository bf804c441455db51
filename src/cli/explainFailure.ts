import { BuildError } from '../errors.ts';
import type { ProcessPlace } from './prepareProcess.ts';

/** Adds what the place of this process has to do with a failure that it may explain. */
export function explainFailure(error: unknown, place: ProcessPlace): unknown {
  if (!(error instanceof BuildError)) return error;
  if (error.code === 'RUN_FAILED' && place.kind === 'user-namespace' && place.entered.hasSingleId) {
    return withHint(
      error,
      `If the command failed to change an owner or a user: RUN is executed ${place.entered.description}. ${WHAT_ALLOWS_MORE}`,
    );
  }
  if (error.code === 'ISOLATION_UNAVAILABLE' && place.kind === 'as-started' && place.refused !== undefined) {
    return withHint(error, `A user namespace was refused as well: ${place.refused}.`);
  }
  return error;
}

const WHAT_ALLOWS_MORE =
  'More ids come with a range for the user in /etc/subuid and /etc/subgid and the setuid programs newuidmap and newgidmap (package uidmap), or by running as root.';

function withHint(error: BuildError, more: string): BuildError {
  const { code, message, cause, location, exitCode, facts, hint } = error;
  return new BuildError(code, message, {
    hint: hint === undefined ? more : `${hint} ${more}`,
    exitCode,
    facts,
    ...(cause === undefined ? {} : { cause }),
    ...(location === undefined ? {} : { location }),
  });
}
