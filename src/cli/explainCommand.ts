import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LAST_RECORD, recordsDirectory } from '../build/inputRecorder.ts';
import { decodeRecord, type InputRecord, type StepInputs, type StepOutcome } from '../cache/inputRecord.ts';
import { BuildError, hasErrno } from '../errors.ts';
import { errorText } from '../report/errorText.ts';
import { dataDirectory } from './dataDirectory.ts';
import { flagUsage } from './flagUsage.ts';
import { parseFlags, type FlagTable } from './pflag.ts';
import type { Surroundings } from './surroundings.ts';

const flags = {
  json: { type: 'bool', default: false, help: 'Write JSON, with the digest of every input.' },
  'kaniko-dir': { type: 'string', default: '', help: "The build's data directory. Default: as for kasane build." },
  help: { type: 'bool', shorthand: 'h', default: false, help: 'Show this help.' },
} as const satisfies FlagTable;

export interface ExplainIo {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** Shows which steps of the last build with a cache hit, and why the others missed. Gives the exit code. */
export function explainCommand(args: readonly string[], around: Surroundings, io: ExplainIo): number {
  try {
    const { values, positional } = parseFlags(flags, args);
    if (values.help) {
      io.stdout.write(usage());
      return 0;
    }
    if (positional.length > 0) {
      throw new BuildError('ARGUMENT_UNEXPECTED', `unexpected argument ${JSON.stringify(positional[0])}`);
    }
    const wanted = values['kaniko-dir'] || (around.environment['KANIKO_DIR'] ?? '');
    const record = readRecord(dataDirectory(wanted, around.workingDirectory, 'kasane', around));
    io.stdout.write(values.json ? `${JSON.stringify(record, null, 2)}\n` : explanation(record));
    return 0;
  } catch (error) {
    io.stderr.write(errorText(error, { debug: false }));
    return 1;
  }
}

function readRecord(directory: string): InputRecord {
  try {
    return decodeRecord(readFileSync(join(recordsDirectory(directory), LAST_RECORD)));
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new BuildError('RECORD_MISSING', `no build with a cache has left a record in ${directory}`, {
      hint: 'Build with --cache first; name the data directory of that build with --kaniko-dir.',
    });
  }
}

const WORDS: Readonly<Record<StepOutcome, string>> = {
  hit: 'hit',
  miss: 'miss',
  'below-miss': 'below a miss',
  'not-cached': 'not cached',
};

function explanation({ built, stages }: InputRecord): string {
  const lines = stages.flatMap(({ name, base, baseDigest, steps }) => [
    `\nStage ${name} from ${base}${baseDigest === undefined ? '' : ` (${baseDigest})`}\n`,
    ...steps.map(stepLine),
  ]);
  return [`Build of ${built}\n`, ...lines].join('');
}

function stepLine({ outcome, text, reason }: StepInputs): string {
  const because = reason === undefined ? '' : `\n${' '.repeat(WIDTH + 4)}${reason}`;
  return `  ${WORDS[outcome].padEnd(WIDTH)}  ${text}${because}\n`;
}

const WIDTH = Math.max(...Object.values(WORDS).map((word) => word.length));

function usage(): string {
  return [
    'Shows which steps of the last build with a cache were found in it, and why the others were not.\n\n',
    'Usage:\n  kasane explain [flags]\n\n',
    'Flags:\n',
    flagUsage(flags),
  ].join('');
}
