import { goQuote } from './goQuote.ts';
import { syntaxError } from './syntaxError.ts';

const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/**
 * A duration as Go writes it (`1h30m`, `1.5s`), in nanoseconds.
 * @throws BuildError `DOCKERFILE_SYNTAX` with Go's message
 */
export function parseGoDuration(text: string): number {
  const unsigned = text.replace(/^[-+]/, '');
  if (unsigned === '0') return 0;
  if (unsigned === '') throw syntaxError(`time: invalid duration ${goQuote(text)}`);
  let total = 0;
  for (let rest = unsigned; rest !== '';) {
    const match = /^(\d*\.?\d*)([^\d.]*)/.exec(rest);
    const number = match?.[1] ?? '';
    const unit = match?.[2] ?? '';
    if (!/\d/.test(number)) throw syntaxError(`time: invalid duration ${goQuote(text)}`);
    if (unit === '') throw syntaxError(`time: missing unit in duration ${goQuote(text)}`);
    const factor = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
    if (factor === undefined) throw syntaxError(`time: unknown unit ${goQuote(unit)} in duration ${goQuote(text)}`);
    total += Math.trunc(Number(number) * factor);
    rest = rest.slice(number.length + unit.length);
  }
  if (!Number.isSafeInteger(total)) throw syntaxError(`time: invalid duration ${goQuote(text)}`);
  return text.startsWith('-') ? -total : total;
}

/** Nanoseconds as Go prints them: `1m30s`, `1.5s`, `100ms`, `0s`. */
export function formatGoDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  if (nanoseconds < 1e3) return `${nanoseconds}ns`;
  if (nanoseconds < 1e6) return `${decimal(nanoseconds, 1e3)}µs`;
  if (nanoseconds < 1e9) return `${decimal(nanoseconds, 1e6)}ms`;
  const minutes = Math.floor(nanoseconds / 60e9);
  const seconds = `${decimal(nanoseconds - minutes * 60e9, 1e9)}s`;
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}

function decimal(value: number, unit: number): string {
  const fraction = String(value % unit)
    .padStart(String(unit).length - 1, '0')
    .replace(/0+$/, '');
  return `${Math.floor(value / unit)}${fraction === '' ? '' : `.${fraction}`}`;
}
