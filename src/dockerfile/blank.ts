const BLANK = '[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const ONE = new RegExp(`^${BLANK}$`);
const LEADING = new RegExp(`^${BLANK}+`);

/** White space as Unicode has it: what BuildKit's front end skips between words. `\s` of JavaScript is not the same set. */
export function isBlank(character: string | undefined): boolean {
  return character !== undefined && ONE.test(character);
}

export function trimStartBlanks(text: string): string {
  return text.replace(LEADING, '');
}

export function trimBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && isBlank(text[end - 1])) end--;
  return trimStartBlanks(text.slice(0, end));
}

/** Splits at runs of spaces and tabs, as the words of COPY or EXPOSE are split: no quotes, no escapes. */
export function splitAtBlanks(text: string): string[] {
  return text === '' ? [] : text.split(/[\t\v\f\r ]+/);
}
