import { BuildError } from '../errors.ts';

/** `INFO[0003] message` with or without escape codes, logrus' `time=… level=… msg=…`, or one JSON object per line. */
export type LogStyle = 'color' | 'plain' | 'logfmt' | 'json';

/**
 * The style for a `--log-format`; undefined stands for kaniko's default, which is `color` where colours can be seen.
 * NO_COLOR has the last word.
 * @throws BuildError `FLAG_INVALID`, with kaniko's sentence
 */
export function logStyle(
  format: string | undefined,
  terminal: { readonly isTerminal: boolean; readonly environment: Readonly<Record<string, string | undefined>> },
): LogStyle {
  const { NO_COLOR: noColor, TERM: term } = terminal.environment;
  const refused = noColor !== undefined && noColor !== '';
  switch (format) {
    case undefined:
      return terminal.isTerminal && term !== 'dumb' && !refused ? 'color' : 'plain';
    case 'color':
      return refused ? 'plain' : 'color';
    case 'text':
      return 'logfmt';
    case 'json':
      return 'json';
    default:
      throw new BuildError(
        'FLAG_INVALID',
        `not a valid log format: ${JSON.stringify(format)}. Please specify one of (text, color, json)`,
      );
  }
}
