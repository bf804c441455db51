const UNITS = 'bkmgtp';

/** A size such as `64m` or `1.5GiB` in bytes, units of 1024, as Docker reads it; undefined if it is none. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp])?i?b?$/i.exec(text);
  if (match === null) return undefined;
  const power = match[2] === undefined ? 0 : UNITS.indexOf(match[2].toLowerCase());
  return Math.trunc(Number(match[1]) * 1024 ** power);
}
