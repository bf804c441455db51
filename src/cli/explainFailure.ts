import { BuildError } from '../errors.ts';
import { hasSingleId, type IdMaps } from '../linux/idMap.ts';
import type { ProcessPlace } from './prepareProcess.ts';

/** Adds what the place of this process has to do with a failure that it may explain. */
export function explainFailure(error: unknown, place: ProcessPlace, ids: IdMaps): unknown {
  if (!(error instanceof BuildError)) return error;
  if (error.code === 'RUN_FAILED' && hasSingleId(ids)) {
    const where = place.kind === 'user-namespace' ? place.entered.description : 'in a user namespace with a single id';
    return withHint(error, `If it changes an owner or a user, that is why: RUN is executed ${where}. ${MORE_IDS}`);
  }
  if (error.code === 'ISOLATION_UNAVAILABLE' && place.kind === 'as-started' && place.refused !== undefined) {
    return withHint(error, `A user namespace was refused as well: ${place.refused}.`);
  }
  return error;
}

const MORE_IDS =
  'More ids come with a range for the user in /etc/subuid and /etc/subgid and the setuid programs newuidmap and newgidmap (package uidmap), or by building as root.';

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
