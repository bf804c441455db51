import { goQuote } from '../dockerfile/goQuote.ts';
import type { LogStyle } from './logStyle.ts';
import type { Verbosity } from './verbosity.ts';

export interface LogEntry {
  readonly level: Verbosity;
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** More facts, for JSON only. */
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
}

export interface LogLineOptions {
  readonly style: LogStyle;
  /** Milliseconds since the epoch: what `[0003]` counts from. */
  readonly startedAt: number;
  /** Show the time instead of the seconds since the start. */
  readonly fullTimestamp: boolean;
}

/** One entry as logrus writes it for kaniko (without its padding at the end of the line), line end included. */
export function logLine(entry: LogEntry, options: LogLineOptions): string {
  const message = entry.message.replace(/\n$/, '');
  switch (options.style) {
    case 'json':
      return `${JSON.stringify({ ...entry.fields, level: LEVEL_NAMES[entry.level], msg: message, time: localTime(entry.time) })}\n`;
    case 'logfmt':
      return `time=${logfmtValue(localTime(entry.time))} level=${LEVEL_NAMES[entry.level]} msg=${logfmtValue(message)}\n`;
    case 'color':
    case 'plain': {
      const word = LEVEL_NAMES[entry.level].slice(0, 4).toUpperCase();
      const seconds = Math.max(0, Math.floor((entry.time - options.startedAt) / 1000));
      const when = options.fullTimestamp ? localTime(entry.time) : String(seconds).padStart(4, '0');
      const head = options.style === 'color' ? `\x1b[${COLORS[entry.level]}m${word}\x1b[0m` : word;
      return `${head}[${when}] ${message}\n`;
    }
  }
}

const LEVEL_NAMES: Readonly<Record<Verbosity, string>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warn: 'warning',
  error: 'error',
  fatal: 'fatal',
  panic: 'panic',
};

const COLORS: Readonly<Record<Verbosity, number>> = {
  trace: 37,
  debug: 37,
  info: 36,
  warn: 33,
  error: 31,
  fatal: 31,
  panic: 31,
};

/** RFC 3339 in whole seconds with the local offset, as Go's `time.RFC3339`. */
function localTime(milliseconds: number): string {
  const offset = -new Date(milliseconds).getTimezoneOffset();
  const local = new Date(milliseconds + offset * 60_000).toISOString().slice(0, 19);
  if (offset === 0) return `${local}Z`;
  const minutes = Math.abs(offset);
  return `${local}${offset < 0 ? '-' : '+'}${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

function logfmtValue(text: string): string {
  return /^[A-Za-z0-9\-._/@^+]*$/.test(text) ? text : goQuote(text);
}
