/** One element of a pattern in `${x#pattern}`: a star, a question mark, or a character. */
type Element = { readonly kind: 'star' | 'one' } | { readonly kind: 'character'; readonly character: string };

/** A parsed pattern; characters are code points. */
export type WordPattern = readonly Element[];

/**
 * Reads `*`, `?` and backslash escapes; brackets are ordinary characters.
 * @returns the pattern, or what is wrong with it
 */
export function parseWordPattern(text: string): WordPattern | { readonly error: string } {
  const characters = Array.from(text);
  const pattern: Element[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    const next = characters[at + 1];
    if (character === '*') pattern.push({ kind: 'star' });
    else if (character === '?') pattern.push({ kind: 'one' });
    else if (character !== '\\') pattern.push({ kind: 'character', character });
    else if (next !== '}' && next !== '/') {
      if (next !== '*' && next !== '?' && next !== '\\') return { error: `invalid escape '\\${next ?? ''}'` };
      pattern.push({ kind: 'character', character: next });
      at++;
    }
  }
  return pattern;
}

/** `${x#p}`, `${x##p}`: the text without what the pattern matches at its start. */
export function trimPrefix(text: string, pattern: WordPattern, greedy: boolean): string {
  const characters = Array.from(text);
  const end = matchEnd(characters, 0, pattern, greedy);
  return end === undefined ? text : characters.slice(end).join('');
}

/** `${x%p}`, `${x%%p}`: the text without what the pattern matches at its end. */
export function trimSuffix(text: string, pattern: WordPattern, greedy: boolean): string {
  const characters = Array.from(text).toReversed();
  const end = matchEnd(characters, 0, pattern.toReversed(), greedy);
  return end === undefined ? text : characters.slice(end).toReversed().join('');
}

/** `${x/p/r}`, `${x//p/r}`: the longest match at the first place it matches, or everywhere. */
export function replacePattern(text: string, pattern: WordPattern, replacement: string, all: boolean): string {
  const characters = Array.from(text);
  let result = '';
  let lastEnd = -1;
  for (let at = 0; at <= characters.length; at++) {
    const end = matchEnd(characters, at, pattern, true);
    if (end !== undefined && !(end === at && at === lastEnd)) {
      result += replacement;
      if (!all) return result + characters.slice(end).join('');
      if (end > at) {
        lastEnd = end;
        at = end - 1;
        continue;
      }
    }
    result += characters[at] ?? '';
  }
  return result;
}

/** Where the shortest or longest match that begins at `start` ends. All positions are followed at once: no backtracking. */
function matchEnd(
  characters: readonly string[],
  start: number,
  pattern: WordPattern,
  greedy: boolean,
): number | undefined {
  let states = closure(new Set([0]), pattern);
  let found: number | undefined;
  for (let at = start; states.size > 0; at++) {
    if (states.has(pattern.length)) {
      found = at;
      if (!greedy) return found;
    }
    const character = characters[at];
    if (character === undefined) return found;
    const next = new Set<number>();
    for (const state of states) {
      const element = pattern[state];
      if (element === undefined) continue;
      if (element.kind === 'character' ? element.character === character : character !== '\n') {
        next.add(element.kind === 'star' ? state : state + 1);
      }
    }
    states = closure(next, pattern);
  }
  return found;
}

function closure(states: Set<number>, pattern: WordPattern): Set<number> {
  for (const state of states) if (pattern[state]?.kind === 'star') states.add(state + 1);
  return states;
}
