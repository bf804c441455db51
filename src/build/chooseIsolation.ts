import { accessSync, constants } from 'node:fs';
import { BuildError, hasErrno } from '../errors.ts';
import { readCapabilities, type Capability } from '../linux/capabilities.ts';
import { insideContainer } from '../rootfs/insideContainer.ts';
import { probeIsolation } from '../rootfs/probeIsolation.ts';
import { ownDirectories, standsAlone } from './ownDirectories.ts';
import type { BuildRequest } from './request.ts';

export interface IsolationInputs {
  readonly request: BuildRequest;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where root file systems would lie. */
  readonly scratch: string;
  readonly signal: AbortSignal | undefined;
  readonly log: (level: 'info' | 'warn' | 'debug', message: string) => void;
}

/** What a RUN in place takes beside being root, so that it finds what it would find elsewhere. */
const NEEDED_IN_PLACE: readonly Capability[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_SETGID',
  'CAP_SETUID',
];

/**
 * How the RUN steps of a build get their machine; found by trying.
 * @throws BuildError `ISOLATION_UNAVAILABLE`, and `NOT_IN_CONTAINER` in kaniko's words
 */
export async function chooseIsolation(inputs: IsolationInputs): Promise<'namespace' | 'in-place'> {
  const { request, log } = inputs;
  switch (request.isolation) {
    case 'none':
      throw new BuildError(
        'ISOLATION_UNAVAILABLE',
        'a RUN instruction needs a machine, and --isolation=none gives none',
        { hint: 'Leave --isolation out, or build a Dockerfile without RUN.' },
      );
    case 'in-place': {
      const refusal = refusalOfInPlace(request);
      if (refusal !== undefined) throw unavailable(`RUN can't be executed in place: ${refusal}`);
      requireContainer(inputs);
      log('info', 'RUN is executed in place, as --isolation=in-place asks');
      return 'in-place';
    }
    case 'namespace':
    case 'auto':
      return choose(inputs);
  }
}

async function choose(inputs: IsolationInputs): Promise<'namespace' | 'in-place'> {
  const { request, environment, scratch, signal, log } = inputs;
  const mayMount = process.geteuid?.() === 0 && readCapabilities().effective.has('CAP_SYS_ADMIN');
  // Trying costs as much as a RUN: only where it is likely to fail, as under the security modules of containers.
  if (mayMount && insideContainer(environment) === undefined) return 'namespace';
  const isolation = await probeIsolation(scratch, signal);
  if (isolation.mode === 'namespace') {
    const { root, reason } = isolation;
    log('debug', `RUN is executed in namespaces, on ${root === 'overlay' ? 'an overlay' : `a directory: ${reason}`}`);
    return 'namespace';
  }
  const { reason } = isolation;
  if (request.isolation === 'namespace') throw unavailable(`RUN can't be executed in namespaces: ${reason}`);
  const refusal = refusalOfInPlace(request) ?? lackingCapabilities();
  if (refusal !== undefined) throw unavailable(`RUN can't be executed here: ${reason}; nor in place: ${refusal}`);
  requireContainer(inputs);
  log('info', `RUN is executed in place, because namespaces are refused: ${reason}`);
  return 'in-place';
}

function refusalOfInPlace({ dataDirectory }: BuildRequest): string | undefined {
  if (process.geteuid?.() !== 0) return 'that takes root';
  if (!standsAlone(ownDirectories(dataDirectory))) {
    return "that takes kasane's own image, whose Node.js needs nothing of /";
  }
  if (!isWritable('/')) return 'the root file system is read-only';
  return undefined;
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EROFS', 'EACCES')) return false;
    throw error;
  }
}

function lackingCapabilities(): string | undefined {
  const { effective } = readCapabilities();
  const lacking = NEEDED_IN_PLACE.filter((name) => !effective.has(name));
  return lacking.length === 0 ? undefined : `that takes ${lacking.join(', ')} (--isolation=in-place tries without)`;
}

function requireContainer({ request, environment, log }: IsolationInputs): void {
  const evidence = insideContainer(environment);
  if (evidence !== undefined) {
    log('debug', `This is a container: ${evidence}`);
  } else if (request.force === true) {
    log('warn', 'Kaniko is being run outside of a container. This can have dangerous effects on your system');
  } else {
    throw new BuildError(
      'NOT_IN_CONTAINER',
      'kaniko should only be run inside of a container, run with the --force flag if you are sure you want to continue',
    );
  }
}

function unavailable(message: string): BuildError {
  return new BuildError('ISOLATION_UNAVAILABLE', message, { hint: WHERE_RUN_WORKS });
}

const WHERE_RUN_WORKS =
  "RUN needs user namespaces, root with CAP_SYS_ADMIN, or root in kasane's own image with a container's default capabilities. A Dockerfile without RUN builds anywhere.";
