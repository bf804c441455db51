import { parseGoDuration } from '../dockerfile/goDuration.ts';
import { BuildError } from '../errors.ts';
import { nearestWord } from './nearestWord.ts';

/** What each type of flag holds once parsed. Durations are nanoseconds, as Go's. */
interface FlagValueTypes {
  readonly bool: boolean;
  readonly string: string;
  readonly int: number;
  readonly duration: number;
  /** One item per occurrence; commas are part of the value. */
  readonly list: readonly string[];
  /** `key=value` per occurrence; a later one of the same key wins. */
  readonly pairs: ReadonlyMap<string, string>;
  /** `key=value` or `a=b;c=d` per occurrence; values of one key add up. */
  readonly map: ReadonlyMap<string, readonly string[]>;
}

type FlagType = keyof FlagValueTypes;
export type FlagValue = FlagValueTypes[FlagType];

export interface FlagAlias {
  readonly name: string;
  readonly shorthand?: string;
  /** Deprecated spellings work, are not listed, and give a message. */
  readonly deprecated?: boolean;
}

interface FlagBase {
  /** One letter. */
  readonly shorthand?: string;
  readonly help: string;
  readonly aliases?: readonly FlagAlias[];
  readonly hidden?: boolean;
  /** The words it takes, if they are a closed set. */
  readonly choices?: readonly string[];
  /** What a word outside of `choices` is answered with. */
  readonly choiceError?: string;
}

/** One flag; its long name is its key in the table. */
export type FlagDefinition = {
  readonly [T in FlagType]: FlagBase & { readonly type: T; readonly default: FlagValueTypes[T] };
}[FlagType];
export type FlagTable = Readonly<Record<string, FlagDefinition>>;

export type FlagValues<T extends FlagTable> = { readonly [N in keyof T]: FlagValueTypes[T[N]['type']] };

export interface ParsedFlags<T extends FlagTable> {
  readonly values: FlagValues<T>;
  /** The flags that were given, by long name, and the spelling they were given in (`-d`, `--tarPath`). */
  readonly given: ReadonlyMap<string, string>;
  readonly positional: readonly string[];
  /** One sentence for each deprecated spelling used. */
  readonly deprecations: readonly string[];
}

/**
 * Parses arguments as Go's pflag does: `--name=value`, `--name value`, `-n value`, `-nvalue`, `-n=value`, bundled
 * one-letter booleans, and `--` before what is positional. A boolean never takes the next word. Flags and positional words may mix.
 * @throws BuildError `FLAG_UNKNOWN`, `FLAG_NEEDS_ARGUMENT`, `FLAG_SYNTAX`, `FLAG_INVALID`, with pflag's sentences
 */
export function parseFlags<T extends FlagTable>(table: T, args: readonly string[]): ParsedFlags<T> {
  const spellings = spellingsOf(table);
  const values: Record<string, FlagValue> = {};
  for (const [name, flag] of Object.entries(table)) values[name] = flag.default;
  const given = new Map<string, string>();
  const positional: string[] = [];
  const deprecations: string[] = [];

  const set = (spelling: Spelling, asGiven: string, text: string): void => {
    const { name, flag } = spelling;
    if (spelling.deprecated) deprecations.push(`Flag ${asGiven} is deprecated. Use: --${name}`);
    const previous = given.has(name) ? values[name] : undefined;
    try {
      values[name] = parseFlagText(flag, text, previous);
    } catch (cause) {
      const shown = flag.shorthand === undefined ? `--${name}` : `-${flag.shorthand}, --${name}`;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new BuildError('FLAG_INVALID', `invalid argument ${JSON.stringify(text)} for "${shown}" flag: ${reason}`);
    }
    given.set(name, asGiven);
  };

  const queue = [...args];
  for (let argument = queue.shift(); argument !== undefined; argument = queue.shift()) {
    if (argument === '--') {
      positional.push(...queue);
      break;
    }
    if (argument.startsWith('--')) {
      const [name = '', ...rest] = argument.slice(2).split('=');
      if (name === '' || name.startsWith('-')) throw new BuildError('FLAG_SYNTAX', `bad flag syntax: ${argument}`);
      const spelling = spellings.long.get(name);
      if (spelling === undefined) throw unknownFlag(name, spellings.long);
      const text = rest.length > 0 ? rest.join('=') : spelling.flag.type === 'bool' ? 'true' : queue.shift();
      if (text === undefined) throw new BuildError('FLAG_NEEDS_ARGUMENT', `flag needs an argument: --${name}`);
      set(spelling, `--${name}`, text);
    } else if (argument.length > 1 && argument.startsWith('-')) {
      for (let letters = argument.slice(1); letters !== '';) {
        const letter = letters.charAt(0);
        const spelling = spellings.short.get(letter);
        if (spelling === undefined) throw unknownShorthand(letter, letters, argument, spellings.long);
        let text: string | undefined;
        if (letters.length > 2 && letters.charAt(1) === '=') {
          text = letters.slice(2);
          letters = '';
        } else if (spelling.flag.type === 'bool') {
          text = 'true';
          letters = letters.slice(1);
        } else {
          text = letters.length > 1 ? letters.slice(1) : queue.shift();
          if (text === undefined) {
            throw new BuildError('FLAG_NEEDS_ARGUMENT', `flag needs an argument: '${letter}' in -${letters}`);
          }
          letters = '';
        }
        set(spelling, `-${letter}`, text);
      }
    } else {
      positional.push(argument);
    }
  }
  return { values: values as FlagValues<T>, given, positional, deprecations };
}

/**
 * The value that a flag's text gives; `previous` is what earlier occurrences gave, for the types that add up.
 * @throws Error with Go's (or kaniko's) words for what is wrong with the text
 */
export function parseFlagText(flag: FlagDefinition, text: string, previous: FlagValue | undefined): FlagValue {
  if (flag.choices !== undefined && !flag.choices.includes(text)) {
    throw new Error(flag.choiceError ?? `must be one of ${flag.choices.join(', ')}`);
  }
  switch (flag.type) {
    case 'bool':
      return parseGoBool(text);
    case 'string':
      return text;
    case 'int':
      return parseGoInt(text);
    case 'duration':
      return parseGoDuration(text);
    case 'list':
      return [...((previous as FlagValueTypes['list'] | undefined) ?? []), text];
    case 'pairs':
      return new Map([...((previous as FlagValueTypes['pairs'] | undefined) ?? []), splitPair(text)]);
    case 'map': {
      const map = new Map((previous as FlagValueTypes['map'] | undefined) ?? []);
      for (const part of text === '' ? [] : text.split(';')) {
        const [key, value] = splitPair(part);
        map.set(key, [...(map.get(key) ?? []), value]);
      }
      return map;
    }
  }
}

interface Spelling {
  readonly name: string;
  readonly flag: FlagDefinition;
  readonly deprecated: boolean;
}

interface Spellings {
  readonly long: ReadonlyMap<string, Spelling>;
  readonly short: ReadonlyMap<string, Spelling>;
}

function spellingsOf(table: FlagTable): Spellings {
  const long = new Map<string, Spelling>();
  const short = new Map<string, Spelling>();
  for (const [name, flag] of Object.entries(table)) {
    const own: FlagAlias = { name, ...(flag.shorthand === undefined ? {} : { shorthand: flag.shorthand }) };
    for (const alias of [own, ...(flag.aliases ?? [])]) {
      const spelling: Spelling = { name, flag, deprecated: alias.deprecated === true };
      long.set(alias.name, spelling);
      if (alias.shorthand !== undefined) short.set(alias.shorthand, spelling);
    }
  }
  return { long, short };
}

function unknownFlag(name: string, known: ReadonlyMap<string, Spelling>): BuildError {
  const suggestion = nearestWord(name, listedNames(known));
  const hint = suggestion === undefined ? {} : { hint: `Did you mean --${suggestion}?` };
  return new BuildError('FLAG_UNKNOWN', `unknown flag: --${name}`, hint);
}

function unknownShorthand(
  letter: string,
  letters: string,
  argument: string,
  known: ReadonlyMap<string, Spelling>,
): BuildError {
  const [word = ''] = argument.slice(1).split('=');
  const suggestion = word.length < 3 ? undefined : nearestWord(word, listedNames(known));
  const hint = suggestion === undefined ? {} : { hint: `Did you mean --${suggestion}, with two dashes?` };
  return new BuildError('FLAG_UNKNOWN', `unknown shorthand flag: '${letter}' in -${letters}`, hint);
}

function listedNames(known: ReadonlyMap<string, Spelling>): string[] {
  return [...known].flatMap(([name, { flag, deprecated }]) => (deprecated || flag.hidden === true ? [] : [name]));
}

const TRUE_WORDS: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE_WORDS: ReadonlySet<string> = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

function parseGoBool(text: string): boolean {
  if (TRUE_WORDS.has(text)) return true;
  if (FALSE_WORDS.has(text)) return false;
  throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** Decimal, or with Go's prefixes 0x, 0o (or a bare 0) and 0b. */
function parseGoInt(text: string): number {
  const match = /^([+-]?)(\d+|0[xX][\da-fA-F]+|0[oO]?[0-7]+|0[bB][01]+)$/.exec(text);
  const digits = match?.[2]?.replace(/^0(?=[0-7]+$)/, '0o');
  const value = Number(digits);
  if (match === null || Number.isNaN(value)) {
    throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  if (!Number.isSafeInteger(value)) {
    throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(text)}: value out of range`);
  }
  return match[1] === '-' ? -value : value;
}

function splitPair(text: string): [key: string, value: string] {
  const equals = text.indexOf('=');
  if (equals < 0) throw new Error(`invalid argument value. expect key=value, got ${text}`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}
