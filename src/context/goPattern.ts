import { posix } from 'node:path';
import { goMatch, PatternSyntaxError } from './goMatch.ts';

/** Whether a path, given without leading or trailing slash, matches. */
export type PathPredicate = (path: string) => boolean;

/**
 * One pattern of an ignore file, without its `!`, with moby/patternmatcher's meaning. That meaning is what Go's regular
 * expressions make of the pattern after a simple rewriting, oddities included: `[*]` is no class of one star there.
 * @throws PatternSyntaxError
 */
export function compileGoPattern(pattern: string): PathPredicate {
  // As moby checks the syntax: what this lets through, the expression may still refuse.
  goMatch(pattern, '.');
  const { kind, expression } = rewrite(pattern);
  if (kind === 'exact') return (path) => path === pattern;
  if (kind === 'prefix') {
    const prefix = pattern.slice(0, -2);
    return (path) => path.startsWith(prefix);
  }
  if (kind === 'suffix') {
    const suffix = pattern.slice(2);
    const whole = suffix.startsWith('/') ? suffix.slice(1) : undefined;
    return (path) => path === whole || path.endsWith(suffix);
  }
  const compiled = compileExpression(expression);
  return (path) => compiled.test(path);
}

/** Go's `path.Clean`. */
export function cleanGoPath(path: string): string {
  const cleaned = posix.normalize(path);
  return cleaned.length > 1 && cleaned.endsWith('/') ? cleaned.slice(0, -1) : cleaned;
}

type Rewritten =
  | { readonly kind: 'exact' | 'prefix' | 'suffix'; readonly expression: '' }
  | { readonly kind: 'expression'; readonly expression: string };

/** The Go regular expression that stands for a pattern, or the simpler comparison that does. */
function rewrite(pattern: string): Rewritten {
  const characters = Array.from(pattern);
  let kind: Rewritten['kind'] = 'exact';
  let expression = '^';
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] as string;
    const next = characters[at + 1];
    if (character === '*' && next === '*') {
      const first = at === 0;
      at++;
      if (characters[at + 1] === '/') at++;
      if (at + 1 < characters.length) {
        expression += '(.*/)?';
        kind = 'expression';
      } else if (kind === 'exact') {
        kind = 'prefix';
      } else {
        expression += '.*';
        kind = 'expression';
      }
      if (first) kind = 'suffix';
    } else if (character === '*' || character === '?') {
      expression += character === '*' ? '[^/]*' : '[^/]';
      kind = 'expression';
    } else if ('.+()$'.includes(character)) {
      // Not `{`, `|` and `}`: moby means to escape them too, but its table has no room for codes above 63.
      expression += `\\${character}`;
    } else if (character === '\\') {
      expression += `\\${next ?? ''}`;
      at++;
      kind = 'expression';
    } else {
      expression += character;
      if (character === '[' || character === ']') kind = 'expression';
    }
  }
  return kind === 'expression' ? { kind, expression: `${expression}$` } : { kind, expression: '' };
}

/** Go's regular expression as one of JavaScript's. Only what `rewrite` can make is known. */
function compileExpression(expression: string): RegExp {
  const source: string[] = [];
  let at = 0;
  while (at < expression.length) {
    const character = String.fromCodePoint(expression.codePointAt(at) ?? 0);
    if (character === '\\') {
      const assertion = ASSERTIONS[expression[at + 1] ?? ''];
      if (assertion === undefined) {
        const escape = readEscape(expression, at);
        source.push(typeof escape.value === 'number' ? literal(escape.value) : `[${escape.value}]`);
        at = escape.end;
      } else {
        source.push(assertion);
        at += 2;
      }
    } else if (character === '{') {
      const count = readCount(expression, at);
      source.push(count ?? literal(123));
      at += count?.length ?? 1;
    } else if (character === '[') {
      const { text, end } = readClass(expression, at);
      source.push(text);
      at = end;
    } else {
      // The rewriting leaves these to mean what they mean in an expression.
      if (character === '.') source.push('[^\\n]');
      else if (character === '^') source.push('(?:^)');
      else if ('$()*?|'.includes(character)) source.push(character);
      else source.push(literal(character.codePointAt(0) ?? 0));
      at += character.length;
    }
  }
  try {
    return new RegExp(source.join(''), 'u');
  } catch (error) {
    // Counts with nothing to count, or counts of counts: as in Go.
    if (error instanceof SyntaxError) throw new PatternSyntaxError();
    throw error;
  }
}

// In groups, because a count may follow them.
const ASSERTIONS: Readonly<Record<string, string>> = { A: '(?:^)', z: '(?:$)', b: '(?:\\b)', B: '(?:\\B)' };

/** A repetition count such as `{2,5}`; undefined where the brace is a character as any other. */
function readCount(expression: string, at: number): string | undefined {
  const count = /^\{(0|[1-9][0-9]*)(?:,(0|[1-9][0-9]*)?)?\}/.exec(expression.slice(at));
  if (count === null) return undefined;
  if (Number(count[1]) > 1000 || Number(count[2] ?? 0) > 1000) throw new PatternSyntaxError();
  return count[0];
}

const PERL_CLASSES: Readonly<Record<string, string>> = {
  d: '0-9',
  D: '\\0-\\x2f\\x3a-\\u{10ffff}',
  s: '\\t\\n\\f\\r ',
  S: '\\0-\\x08\\x0b\\x0e-\\x1f\\x21-\\u{10ffff}',
  w: '0-9A-Za-z_',
  W: '\\0-\\x2f\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-\\u{10ffff}',
};

const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\0-\\x7f',
  blank: '\\t ',
  cntrl: '\\0-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t-\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

interface Escape {
  /** A code point, or the inside of a class. */
  readonly value: number | string;
  readonly end: number;
}

/** What a backslash at `at` and the characters after it mean to Go, inside and outside of classes. */
function readEscape(expression: string, at: number): Escape {
  const character = expression[at + 1];
  if (character === undefined) throw new PatternSyntaxError();
  const perl = PERL_CLASSES[character];
  if (perl !== undefined) return { value: perl, end: at + 2 };
  const control = CONTROLS[character];
  if (control !== undefined) return { value: control, end: at + 2 };
  const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(expression.slice(at + 1, at + 4))?.[0];
  if (octal !== undefined) return { value: Number.parseInt(octal, 8), end: at + 1 + octal.length };
  const hexadecimal = /^x([0-9A-Fa-f]{2})/.exec(expression.slice(at + 1, at + 4))?.[1];
  if (hexadecimal !== undefined) return { value: Number.parseInt(hexadecimal, 16), end: at + 4 };
  const category = /^([pP])([CLMNPSZ])/.exec(expression.slice(at + 1, at + 3));
  if (category !== null) return { value: `\\${category[1]}{${category[2]}}`, end: at + 3 };
  if (/[0-9A-Za-z]/.test(character) || character > '\x7f') throw new PatternSyntaxError();
  return { value: character.charCodeAt(0), end: at + 2 };
}

/** The class that starts at `at`. A `[` or `-` inside is a character as any other; `[:alpha:]` is a set. */
function readClass(expression: string, at: number): { readonly text: string; readonly end: number } {
  const negated = expression[at + 1] === '^';
  const start = at + (negated ? 2 : 1);
  const parts: string[] = [];
  let next = start;
  const character = (): number => {
    if (next >= expression.length) throw new PatternSyntaxError();
    const escape =
      expression[next] === '\\'
        ? readEscape(expression, next)
        : { value: expression.codePointAt(next), end: next + (pairAt(expression, next) ? 2 : 1) };
    if (typeof escape.value !== 'number') throw new PatternSyntaxError();
    next = escape.end;
    return escape.value;
  };
  while (next === start || expression[next] !== ']') {
    const named = /^\[:(\^?)([^:]*):\]/.exec(expression.slice(next));
    const set = expression[next] === '\\' ? readSet(expression, next) : undefined;
    if (named !== null) {
      const members = POSIX_CLASSES[named[2] ?? ''];
      if (members === undefined) throw new PatternSyntaxError();
      parts.push(named[1] === '' ? members : complementOf(members));
      next += named[0].length;
    } else if (set === undefined) {
      const low = character();
      let high = low;
      if (expression[next] === '-' && next + 1 < expression.length && expression[next + 1] !== ']') {
        next++;
        high = character();
      }
      if (high < low) throw new PatternSyntaxError();
      parts.push(low === high ? literal(low) : `${literal(low)}-${literal(high)}`);
    } else {
      parts.push(set.text);
      next = set.end;
    }
  }
  return { text: `[${negated ? '^' : ''}${parts.join('')}]`, end: next + 1 };
}

function readSet(expression: string, at: number): { readonly text: string; readonly end: number } | undefined {
  const escape = readEscape(expression, at);
  return typeof escape.value === 'string' ? { text: escape.value, end: escape.end } : undefined;
}

/** The characters that a class, given by its inside, does not hold, as the inside of a class. */
function complementOf(members: string): string {
  const inside = new RegExp(`[${members}]`, 'u');
  const outside = [...Array(128).keys()].filter((code) => !inside.test(String.fromCharCode(code)));
  return `${outside.map(literal).join('')}\\x80-\\u{10ffff}`;
}

function literal(codePoint: number): string {
  return `\\u{${codePoint.toString(16)}}`;
}

function pairAt(text: string, at: number): boolean {
  return (text.codePointAt(at) ?? 0) > 0xffff;
}
