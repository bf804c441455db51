import type { ExecutorFlagTable } from './flags/executorFlag.ts';
import { flagUsage } from './flagUsage.ts';
import { buildFlags, executorFlags } from './flags/executorFlags.ts';
import type { Face } from './surroundings.ts';

/** The usage text: whole for `--help` and where kaniko prints it after an error; short after an error of `kasane build`. */
export function buildUsage(face: Face, occasion: 'help' | 'after-error'): string {
  if (face === 'executor') {
    return [
      'Usage:\n  executor [flags]\n  executor [command]\n\n',
      'Available Commands:\n',
      '  help        Show this help\n',
      '  version     Print the version number\n\n',
      'Flags:\n',
      flagUsage(executorFlags, supportMark),
    ].join('');
  }
  const usage = 'Usage:\n  kasane build [flags] [CONTEXT]\n\n';
  if (occasion === 'after-error') return `${usage}Run 'kasane build --help' for the flags.\n`;
  return [
    'Builds an image from a Dockerfile. CONTEXT is a directory; the default is the working directory.\n\n',
    usage,
    'Flags:\n',
    flagUsage(withEffect(buildFlags)),
    "\nThe rest of kaniko's flags are known too, see docs/flags.md.\n",
  ].join('');
}

const MARKS = { 'no-effect': ' [no effect]', unsupported: ' [unsupported]' } as const;

function supportMark(name: string): string {
  const { support }: ExecutorFlagTable[string] = executorFlags[name as keyof typeof executorFlags];
  return support === undefined ? '' : MARKS[support.level];
}

function withEffect(table: ExecutorFlagTable): ExecutorFlagTable {
  return Object.fromEntries(Object.entries(table).filter(([, flag]) => flag.support === undefined));
}
