/** Farther words are not what the user meant. */
const CLOSE = 2;

/** Adds ` (did you mean X?)` to a message if one of the options is close to the value. */
export function withSuggestion(message: string, value: string, options: Iterable<string>): string {
  const match = suggest(value, options);
  return match === undefined ? message : `${message} (did you mean ${match}?)`;
}

/**
 * The option nearest to the value: at most two edits away, or one that the value abbreviates. Undefined if there is none
 * or the value itself is an option.
 */
export function suggest(value: string, options: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = CLOSE + 1;
  for (const option of options) {
    if (option === value) return undefined;
    const distance = distanceOf(value, option);
    if (distance < bestDistance) [best, bestDistance] = [option, distance];
  }
  return best;
}

/** Of two that are as near, the one that begins alike is nearer: RNU is RUN, not ENV. */
function distanceOf(value: string, option: string): number {
  if (abbreviates(value, option)) return Math.min(CLOSE, option.length - value.length);
  if (Math.abs(option.length - value.length) > CLOSE) return CLOSE + 1;
  return levenshtein(value, option) + (option[0] === value[0] ? 0 : 0.5);
}

/** `tgt` is `target`: begins and ends alike, all its letters in order, not a mere few of many. */
function abbreviates(value: string, option: string): boolean {
  if (value.length < 3 || value.length * 2 < option.length) return false;
  if (value[0] !== option[0] || value.at(-1) !== option.at(-1)) return false;
  let at = 0;
  for (const letter of option) if (letter === value[at]) at++;
  return at === value.length;
}

function levenshtein(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
