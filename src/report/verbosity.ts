import { BuildError } from '../errors.ts';
import type { LogLevel } from '../events.ts';

export type Verbosity = LogLevel | 'fatal' | 'panic';

const LEVELS: readonly Verbosity[] = ['panic', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'];

/**
 * A level by its logrus name, in any case.
 * @throws BuildError `FLAG_INVALID`, with logrus' sentence
 */
export function parseVerbosity(text: string): Verbosity {
  const name = text.toLowerCase() === 'warning' ? 'warn' : text.toLowerCase();
  const level = LEVELS.find((candidate) => candidate === name);
  if (level !== undefined) return level;
  throw new BuildError('FLAG_INVALID', `parsing log level: not a valid logrus Level: ${JSON.stringify(text)}`, {
    hint: 'The levels are trace, debug, info, warn, error, fatal and panic.',
  });
}

export function isShown(level: Verbosity, verbosity: Verbosity): boolean {
  return LEVELS.indexOf(level) <= LEVELS.indexOf(verbosity);
}
