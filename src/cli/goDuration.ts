const MILLISECONDS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Milliseconds of a duration in Go's notation (`336h`, `1h30m`, `-1.5s`).
 * @throws Error with the words of Go's `time.ParseDuration`
 */
export function parseGoDuration(text: string): number {
  const invalid = new Error(`time: invalid duration ${JSON.stringify(text)}`);
  const [, sign, rest = ''] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (rest === '0') return 0;
  if (rest === '') throw invalid;
  let total = 0;
  for (let left = rest; left !== '';) {
    const part = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(left);
    if (part === null) throw invalid;
    const [whole, number, unit = ''] = part;
    if (unit === '') throw new Error(`time: missing unit in duration ${JSON.stringify(text)}`);
    const factor = MILLISECONDS[unit];
    if (factor === undefined) {
      throw new Error(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    }
    total += Number(number) * factor;
    left = left.slice(whole.length);
  }
  return sign === '-' ? -total : total;
}

/** As Go prints it: `336h0m0s`, `1m30s`, `250ms`. */
export function formatGoDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s';
  const sign = milliseconds < 0 ? '-' : '';
  const amount = Math.abs(milliseconds);
  if (amount < 1000) return `${sign}${amount}ms`;
  const seconds = (amount / 1000) % 60;
  const minutes = Math.floor(amount / 60_000) % 60;
  const hours = Math.floor(amount / 3_600_000);
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`;
}
