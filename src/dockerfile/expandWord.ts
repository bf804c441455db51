import { BuildError } from '../errors.ts';
import { goQuote } from './goQuote.ts';
import { isBlank } from './blank.ts';
import { parseWordPattern, replacePattern, trimPrefix, trimSuffix } from './wordPattern.ts';
import type { WordPattern } from './wordPattern.ts';

/** The value of a variable; undefined if it is not set. */
export type Lookup = (name: string) => string | undefined;

export interface ExpandOptions {
  readonly escape: '\\' | '`';
  /** Quotes stay in the result. */
  readonly rawQuotes?: boolean;
  /** Escape characters stay in the result. */
  readonly rawEscapes?: boolean;
  /** Quotes are ordinary characters. */
  readonly ignoreQuotes?: boolean;
  /** A reference to a variable that is not set stays as written. */
  readonly keepUnset?: boolean;
}

export interface Expansion {
  readonly text: string;
  /** The text cut at blanks that were not quoted; values of variables are cut too. */
  readonly words: readonly string[];
  /** Names of variables that were asked for and set. */
  readonly matched: ReadonlySet<string>;
  /** Names that were asked for without saying what happens if they are not set, and are not. */
  readonly unmatched: ReadonlySet<string>;
}

/**
 * Expands variables and removes quotes and escapes, as BuildKit does for every instruction that it expands.
 * @throws BuildError `DOCKERFILE_EXPANSION`
 */
export function expandWord(word: string, lookup: Lookup, options: ExpandOptions): string {
  return expand(word, lookup, options).text;
}

/** As `expandWord`, then cut into words (EXPOSE). */
export function expandWords(word: string, lookup: Lookup, options: ExpandOptions): readonly string[] {
  return expand(word, lookup, options).words;
}

/** A heredoc's body for COPY and ADD: quotes mean nothing, and a backslash escapes whatever the escape directive says. */
export function expandHeredoc(body: string, lookup: Lookup): Expansion {
  return expand(body, lookup, { escape: '\\', ignoreQuotes: true });
}

/** The whole of what an expansion tells. */
export function expand(word: string, lookup: Lookup, options: ExpandOptions): Expansion {
  const lexer: Lexer = {
    characters: Array.from(word),
    at: 0,
    rawEscapes: options.rawEscapes ?? false,
    depth: 0,
    lookup,
    options,
    matched: new Set(),
    unmatched: new Set(),
  };
  try {
    const { text, words } = readUntil(lexer, undefined, lexer.rawEscapes);
    return { text, words, matched: lexer.matched, unmatched: lexer.unmatched };
  } catch (error) {
    if (!(error instanceof LexError)) throw error;
    throw new BuildError('DOCKERFILE_EXPANSION', `failed to process ${goQuote(word)}: ${error.message}`);
  }
}

interface Lexer {
  readonly characters: readonly string[];
  at: number;
  rawEscapes: boolean;
  depth: number;
  readonly lookup: Lookup;
  readonly options: ExpandOptions;
  readonly matched: Set<string>;
  readonly unmatched: Set<string>;
}

/** Never leaves this file. */
class LexError extends Error {}

/** Nesting beyond this is no Dockerfile that a person wrote, and would exhaust the stack. */
const MAX_DEPTH = 200;

function readUntil(
  lexer: Lexer,
  stop: string | undefined,
  rawEscapes: boolean,
): { text: string; words: readonly string[] } {
  const outer = lexer.rawEscapes;
  lexer.rawEscapes = rawEscapes;
  if (++lexer.depth > MAX_DEPTH) throw new LexError('substitutions are nested too deeply');
  let text = '';
  const splitter = new WordSplitter();
  for (;;) {
    const character = lexer.characters[lexer.at];
    if (character === undefined) {
      if (stop !== undefined) {
        throw new LexError(`unexpected end of statement while looking for matching ${stop}`);
      }
      break;
    }
    if (character === stop) {
      lexer.at++;
      break;
    }
    if (character === '$') {
      const value = readDollar(lexer);
      text += value;
      for (const each of value) splitter.add(each);
    } else if ((character === "'" || character === '"') && lexer.options.ignoreQuotes !== true) {
      const value = character === "'" ? readSingleQuotes(lexer) : readDoubleQuotes(lexer);
      text += value;
      splitter.addQuoted(value);
    } else if (character === lexer.options.escape) {
      lexer.at++;
      const escaped = lexer.characters[lexer.at++];
      const kept = (lexer.rawEscapes ? character : '') + (escaped ?? '');
      text += kept;
      if (kept !== '') splitter.addQuoted(kept);
    } else {
      lexer.at++;
      text += character;
      splitter.add(character);
    }
  }
  lexer.depth--;
  lexer.rawEscapes = outer;
  return { text, words: splitter.finish() };
}

class WordSplitter {
  readonly #words: string[] = [];
  #word = '';

  add(character: string): void {
    if (isBlank(character)) this.finish();
    else this.#word += character;
  }

  addQuoted(text: string): void {
    this.#word += text;
  }

  finish(): readonly string[] {
    if (this.#word !== '') this.#words.push(this.#word);
    this.#word = '';
    return this.#words;
  }
}

function readSingleQuotes(lexer: Lexer): string {
  const end = lexer.characters.indexOf("'", lexer.at + 1);
  if (end < 0) throw new LexError('unexpected end of statement while looking for matching single-quote');
  const content = lexer.characters.slice(lexer.at + 1, end).join('');
  lexer.at = end + 1;
  return lexer.options.rawQuotes === true ? `'${content}'` : content;
}

function readDoubleQuotes(lexer: Lexer): string {
  const quote = lexer.options.rawQuotes === true ? '"' : '';
  const { escape } = lexer.options;
  let text = quote;
  lexer.at++;
  for (;;) {
    const character = lexer.characters[lexer.at];
    if (character === undefined) {
      throw new LexError('unexpected end of statement while looking for matching double-quote');
    }
    if (character === '"') {
      lexer.at++;
      return text + quote;
    }
    if (character === '$') {
      text += readDollar(lexer);
      continue;
    }
    lexer.at++;
    if (character !== escape) {
      text += character;
      continue;
    }
    const next = lexer.characters[lexer.at];
    if (next === '"' || next === '$' || next === escape) {
      lexer.at++;
      text += (lexer.rawEscapes ? character : '') + next;
    } else {
      // Another character keeps its escape; in raw mode too, and once.
      text += character;
    }
  }
}

function readDollar(lexer: Lexer): string {
  const start = lexer.at++;
  const asWritten = (): string => lexer.characters.slice(start, lexer.at).join('');
  if (lexer.characters[lexer.at] !== '{') {
    const name = readName(lexer);
    if (name === '') return '$';
    return valueOf(lexer, name) ?? (lexer.options.keepUnset === true ? asWritten() : '');
  }
  lexer.at++;
  const first = lexer.characters[lexer.at];
  if (first === undefined) throw new LexError("syntax error: missing '}'");
  if (first === '{' || first === '}' || first === ':') throw new LexError('syntax error: bad substitution');
  const name = readName(lexer);
  const value = readModifier(lexer, name);
  return value ?? (lexer.options.keepUnset === true ? asWritten() : '');
}

/** What follows the name in braces. Undefined: the variable is not set and stays as written, if that is wanted. */
function readModifier(lexer: Lexer, name: string): string | undefined {
  const character = lexer.characters[lexer.at++];
  const next = lexer.characters[lexer.at];
  switch (character) {
    case undefined:
      throw new LexError("syntax error: missing '}'");
    case '}':
      return valueOf(lexer, name);
    case ':':
      if (next === undefined) throw new LexError("syntax error: missing '}'");
      if (next !== '-' && next !== '+' && next !== '?') {
        throw new LexError(`unsupported modifier (:${next}) in substitution`);
      }
      lexer.at++;
      return conditional(lexer, name, next, true);
    case '-':
    case '+':
    case '?':
      return conditional(lexer, name, character, false);
    case '#':
    case '%':
      return strip(lexer, name, character);
    case '/':
      return replace(lexer, name);
    default:
      throw new LexError(`unsupported modifier (${character}) in substitution`);
  }
}

function conditional(lexer: Lexer, name: string, operator: '-' | '+' | '?', emptyIsUnset: boolean): string | undefined {
  const word = readOperand(lexer, '}', false);
  const value = lexer.lookup(name);
  if (value === undefined && lexer.options.keepUnset === true) return undefined;
  if (value !== undefined) lexer.matched.add(name);
  const set = value !== undefined && !(emptyIsUnset && value === '');
  if (operator === '+') return set ? word : '';
  if (set) return value;
  if (operator === '-') return word;
  const fault = value === undefined ? 'is not allowed to be unset' : 'is not allowed to be empty';
  throw new LexError(`${name}: ${word === '' ? fault : word}`);
}

function strip(lexer: Lexer, name: string, operator: '#' | '%'): string | undefined {
  const operand = readOperand(lexer, '}', true);
  const greedy = operand.startsWith(operator);
  const value = valueOf(lexer, name);
  if (value === undefined) return undefined;
  const pattern = patternOf(greedy ? operand.slice(1) : operand);
  return operator === '#' ? trimPrefix(value, pattern, greedy) : trimSuffix(value, pattern, greedy);
}

function replace(lexer: Lexer, name: string): string | undefined {
  const all = lexer.characters[lexer.at] === '/';
  if (all) lexer.at++;
  const pattern = readOperand(lexer, '/', true);
  const replacement = readOperand(lexer, '}', true);
  const value = valueOf(lexer, name);
  return value === undefined ? undefined : replacePattern(value, patternOf(pattern), replacement, all);
}

function readOperand(lexer: Lexer, stop: '}' | '/', rawEscapes: boolean): string {
  try {
    return readUntil(lexer, stop, rawEscapes).text;
  } catch (error) {
    if (error instanceof LexError && lexer.at >= lexer.characters.length) {
      throw new LexError(`syntax error: missing '${stop}'${stop === '/' ? ' in ${}' : ''}`);
    }
    throw error;
  }
}

function patternOf(text: string): WordPattern {
  const pattern = parseWordPattern(text);
  if ('error' in pattern) throw new LexError(`invalid pattern (${text}) in substitution: ${pattern.error}`);
  return pattern;
}

function valueOf(lexer: Lexer, name: string): string | undefined {
  const value = lexer.lookup(name);
  (value === undefined ? lexer.unmatched : lexer.matched).add(name);
  return value;
}

/** Letters, digits and `_`; or digits alone; or one special parameter. */
function readName(lexer: Lexer): string {
  const start = lexer.at;
  const first = lexer.characters[start] ?? '';
  if ('@*#?-$!'.includes(first) && first !== '') {
    lexer.at++;
    return first;
  }
  const part = /^\p{Nd}$/u.test(first) ? /^\p{Nd}$/u : /^[\p{L}\p{Nd}_]$/u;
  while (part.test(lexer.characters[lexer.at] ?? '')) lexer.at++;
  return lexer.characters.slice(start, lexer.at).join('');
}
