import { isBlank, trimBlanks } from './blank.ts';

export interface CommandParts {
  /** As written. */
  readonly keyword: string;
  /** Words that start with `--`, quotes and escapes removed. */
  readonly flags: readonly string[];
  /** What follows, trimmed. */
  readonly rest: string;
}

/** The first cut through an instruction: keyword, flags, the rest. */
export function splitCommand(line: string): CommandParts {
  const match = /^([^\t\v\f\r ]*)[\t\v\f\r ]+([^]*)$/.exec(trimBlanks(line));
  if (match === null) return { keyword: trimBlanks(line), flags: [], rest: '' };
  const { flags, rest } = takeFlags(match[2] ?? '');
  return { keyword: match[1] ?? '', flags, rest: trimBlanks(rest) };
}

/** A flag ends at a blank outside quotes; a backslash protects the next character, whatever the escape directive says. */
function takeFlags(text: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isBlank(text[at])) at++;
    if (!text.startsWith('--', at)) return { flags, rest: text.slice(at) };
    let word = '';
    let quote = '';
    while (at < text.length && (quote !== '' || !isBlank(text[at]))) {
      const character = text[at++] ?? '';
      if (character === quote) quote = '';
      else if (quote === '' && (character === '"' || character === "'")) quote = character;
      else if (character === '\\') word += text[at++] ?? '';
      else word += character;
    }
    if (word === '--') return { flags, rest: text.slice(at) };
    flags.push(word);
  }
}
