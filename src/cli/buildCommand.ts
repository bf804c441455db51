import { usableCpus } from '../linux/cpuQuota.ts';
import type { BuildRequest } from '../build/request.ts';
import { BuildError } from '../errors.ts';
import { readIdMaps } from '../linux/idMap.ts';
import { buildLog } from '../report/buildLog.ts';
import type { BuildLog } from '../report/buildLog.ts';
import type { EnteredNamespace } from '../rootfs/userNamespace.ts';
import { errorFields, errorText } from '../report/errorText.ts';
import { logStyle } from '../report/logStyle.ts';
import type { LogStyle } from '../report/logStyle.ts';
import { hideValues, secretValues } from '../report/secretValues.ts';
import { isShown, parseVerbosity } from '../report/verbosity.ts';
import type { Verbosity } from '../report/verbosity.ts';
import { buildRequest } from './buildRequest.ts';
import { buildUsage } from './buildUsage.ts';
import { explainFailure } from './explainFailure.ts';
import { canHaveDirectory, isWritableDirectory, makeDataDirectory } from './usableDirectory.ts';
import { withEnvironment } from './flagEnvironment.ts';
import { remarkOnFlags } from './flagSupport.ts';
import type { FlagRemarks } from './flagSupport.ts';
import { buildFlags, executorFlags } from './flags/executorFlags.ts';
import type { BuildFlags } from './flags/executorFlags.ts';
import { parseFlags } from './pflag.ts';
import { prepareProcess, startAnewIfUseful } from './prepareProcess.ts';
import type { Face } from './surroundings.ts';
import { onTermination } from './termination.ts';
import { userEnvironment } from './userEnvironment.ts';
import { kanikoVersion } from './version.ts';

/**
 * Reads the command line, builds, and reports. Gives the exit code: 0; that of a RUN that failed; 130 or 143 after a signal; else 1.
 */
export async function buildCommand(face: Face, args: readonly string[]): Promise<number> {
  const entered = await enteredNamespace();
  let order: BuildOrder | 'help' | 'version';
  try {
    order = readCommandLine(face, args, entered?.uid ?? process.getuid?.() ?? 0);
  } catch (error) {
    process.stderr.write(errorText(error, { debug: false }));
    if (error instanceof BuildError && isAboutUsage(error)) process.stderr.write(buildUsage(face, 'after-error'));
    return 1;
  }
  if (order === 'help') {
    process.stdout.write(buildUsage(face, 'help'));
    return 0;
  }
  if (order === 'version') {
    process.stdout.write(kanikoVersion);
    return 0;
  }
  return execute(order, entered);
}

/** Loaded only by a process that was started in one. */
async function enteredNamespace(): Promise<EnteredNamespace | undefined> {
  if (process.env['KASANE_USER_NAMESPACE'] === undefined) return undefined;
  return (await import('../rootfs/userNamespace.ts')).enteredUserNamespace();
}

interface BuildOrder {
  readonly request: BuildRequest;
  readonly remarks: FlagRemarks;
  readonly deprecations: readonly string[];
  readonly style: LogStyle;
  readonly verbosity: Verbosity;
  readonly fullTimestamp: boolean;
}

function readCommandLine(face: Face, args: readonly string[], uid: number): BuildOrder | 'help' | 'version' {
  const table: BuildFlags = face === 'executor' ? executorFlags : buildFlags;
  const parsed = parseFlags(table, args);
  if (parsed.values.help) return 'help';
  if (face === 'executor' && parsed.positional[0] === 'help') return 'help';
  if (face === 'executor' && parsed.positional[0] === 'version') return 'version';
  const environment = userEnvironment(process.env);
  const flags = withEnvironment(table, parsed, environment);
  return {
    remarks: remarkOnFlags(table, flags),
    deprecations: flags.deprecations,
    style: logStyle(flags.given.has('log-format') ? flags.values['log-format'] : undefined, {
      isTerminal: process.stderr.isTTY,
      environment,
    }),
    verbosity: parseVerbosity(flags.values.verbosity),
    fullTimestamp: flags.values['log-timestamp'],
    request: buildRequest(flags, face, {
      workingDirectory: process.cwd(),
      environment,
      cpus: usableCpus(),
      uid,
      isWritableDirectory,
      canHaveDirectory,
    }),
  };
}

async function execute(order: BuildOrder, entered: EnteredNamespace | undefined): Promise<number> {
  const { request, style, verbosity, fullTimestamp } = order;
  const place = await prepareProcess(request, entered);
  const { stdout, stderr } = process;
  const environment = userEnvironment(process.env);
  const startedAt = performance.timeOrigin;
  const hide = hideValues(secretValues(request.buildArgs));
  const report = buildLog({ style, verbosity, fullTimestamp, startedAt, stdout, stderr, now: Date.now, hide });
  sayRemarks(order, report);
  if (place.kind === 'user-namespace') report.log('info', `RUN is executed ${place.entered.description}`);
  else if (place.refused !== undefined) report.log('debug', `No user namespace: ${place.refused}`);
  const termination = onTermination((signal) => report.log('warn', `${signal}: stopping the build`));
  try {
    makeDataDirectory(request.dataDirectory);
    const { build } = await import('../build/build.ts');
    const { digest } = await build(request, { listener: report.listener, signal: termination.signal, environment });
    // A pushed image has been announced by its names.
    if (!request.push) report.log('info', `Built ${digest}${savedTo(request)}`);
    return 0;
  } catch (failure) {
    report.end();
    const error = explainFailure(failure, await startAnewIfUseful(failure, request, place), readIdMaps());
    if (termination.exitCode() !== undefined) return termination.exitCode() ?? 1;
    if (style === 'json') {
      report.log('error', error instanceof Error ? error.message : String(error), errorFields(error));
    } else {
      stderr.write(hide(errorText(error, { debug: isShown('debug', verbosity) })));
    }
    return error instanceof BuildError ? error.exitCode : 1;
  } finally {
    termination.stopListening();
  }
}

function savedTo({ tarPath, ociLayoutPath }: BuildRequest): string {
  const places = [
    ...(tarPath === undefined ? [] : [`archive ${tarPath}`]),
    ...(ociLayoutPath === undefined ? [] : [`OCI layout ${ociLayoutPath}`]),
  ];
  return places.length === 0 ? '' : `, saved as ${places.join(' and ')}`;
}

function sayRemarks({ deprecations, remarks }: BuildOrder, { log }: BuildLog): void {
  for (const text of deprecations) log('warn', text);
  const idle = remarks.withoutEffect;
  if (idle.length > 0) log('info', `Flags without effect in kasane: ${idle.map(({ flag }) => flag).join(', ')}`);
  for (const { flag, because } of idle) log('debug', `${flag} has no effect: ${because}`);
}

const NOT_ABOUT_USAGE: ReadonlySet<string> = new Set(['FLAG_UNSUPPORTED', 'DATA_DIRECTORY_IN_CONTEXT']);

function isAboutUsage(error: BuildError): boolean {
  return !NOT_ABOUT_USAGE.has(error.code);
}
