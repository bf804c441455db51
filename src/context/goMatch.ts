/** A pattern that can't be read: Go's `syntax error in pattern`. */
export class PatternSyntaxError extends Error {
  override readonly name = 'PatternSyntaxError';

  constructor() {
    super('syntax error in pattern');
  }
}

/**
 * Go's `filepath.Match` on Linux: `*` and `?` stop at slashes, `[a-z]` and `[^a-z]` are classes, `\` takes the next character
 * as it is. A mistake in the pattern is seen only as far as the name reaches, as in Go.
 * @throws PatternSyntaxError
 */
export function goMatch(pattern: string, name: string): boolean {
  let patternLeft: readonly string[] = Array.from(pattern);
  let nameLeft: readonly string[] = Array.from(name);
  while (patternLeft.length > 0) {
    const { star, chunk, rest } = nextChunk(patternLeft);
    patternLeft = rest;
    if (star && chunk.length === 0) return !nameLeft.includes('/');
    const last = rest.length === 0;
    let after = matchChunk(chunk, nameLeft);
    if (after !== undefined && last && after.length > 0) after = undefined;
    if (after === undefined && star) {
      for (let at = 0; at < nameLeft.length && nameLeft[at] !== '/' && after === undefined; at++) {
        after = matchChunk(chunk, nameLeft.slice(at + 1));
        if (after !== undefined && last && after.length > 0) after = undefined;
      }
    }
    if (after === undefined) return false;
    nameLeft = after;
  }
  return nameLeft.length === 0;
}

/** Stars, then what stands before the next star that is in no class. */
function nextChunk(pattern: readonly string[]): { star: boolean; chunk: readonly string[]; rest: readonly string[] } {
  let start = 0;
  while (pattern[start] === '*') start++;
  let end = start;
  for (let inClass = false; end < pattern.length && (inClass || pattern[end] !== '*'); end++) {
    if (pattern[end] === '\\') end++;
    else if (pattern[end] === '[') inClass = true;
    else if (pattern[end] === ']') inClass = false;
  }
  return { star: start > 0, chunk: pattern.slice(start, end), rest: pattern.slice(end) };
}

/** What is left of the name behind the chunk, which holds no star; undefined if it does not match. Reads the whole chunk. */
function matchChunk(chunk: readonly string[], name: readonly string[]): readonly string[] | undefined {
  let matched = true;
  let used = 0;
  let at = 0;
  const classCharacter = (): string => {
    if (chunk[at] === '-' || chunk[at] === ']') throw new PatternSyntaxError();
    if (chunk[at] === '\\') at++;
    const character = chunk[at++];
    if (character === undefined || at >= chunk.length) throw new PatternSyntaxError();
    return character;
  };
  while (at < chunk.length) {
    const character = name[used];
    if (character === undefined) matched = false;
    const symbol = chunk[at++];
    if (symbol === '[') {
      const negated = chunk[at] === '^';
      if (negated) at++;
      let inside = false;
      for (let ranges = 0; ranges === 0 || chunk[at] !== ']'; ranges++) {
        const low = classCharacter();
        let high = low;
        if (chunk[at] === '-') {
          at++;
          high = classCharacter();
        }
        if (character !== undefined && codeOf(low) <= codeOf(character) && codeOf(character) <= codeOf(high))
          inside = true;
      }
      at++;
      if (inside === negated) matched = false;
    } else if (symbol === '?') {
      if (character === '/') matched = false;
    } else {
      if (symbol === '\\' && at >= chunk.length) throw new PatternSyntaxError();
      if (character !== (symbol === '\\' ? chunk[at++] : symbol)) matched = false;
    }
    if (matched) used++;
  }
  return matched ? name.slice(used) : undefined;
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}
