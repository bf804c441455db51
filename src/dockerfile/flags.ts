import { withSuggestion } from './suggest.ts';
import { syntaxError } from './syntaxError.ts';
import type { Flag } from './instruction.ts';

/** What a flag takes: nothing or true/false, one value, or a value each time it is given. */
type FlagKind = 'boolean' | 'string' | 'strings';
export type FlagTable = Readonly<Record<string, FlagKind>>;

/**
 * Checks an instruction's flags against what it knows.
 * @throws BuildError `DOCKERFILE_SYNTAX`
 */
export function parseFlags(words: readonly string[], table: FlagTable): readonly Flag[] {
  const flags: Flag[] = [];
  for (const word of words) {
    const flag = splitFlag(word);
    const kind = Object.hasOwn(table, flag.name) ? table[flag.name] : undefined;
    if (kind === undefined) {
      throw syntaxError(withSuggestion(`unknown flag: --${flag.name}`, flag.name, Object.keys(table)));
    }
    if (kind !== 'strings' && flags.some(({ name }) => name === flag.name)) {
      throw syntaxError(`duplicate flag specified: --${flag.name}`);
    }
    if (kind === 'boolean' ? flag.value === '' : flag.value === undefined) {
      throw syntaxError(`missing a value on flag: --${flag.name}`);
    }
    if (kind === 'boolean' && flag.value !== undefined && !/^(true|false)$/i.test(flag.value)) {
      throw syntaxError(`expecting boolean value for flag --${flag.name}, not: ${flag.value}`);
    }
    flags.push(flag);
  }
  return flags;
}

export function flagValue(flags: readonly Flag[], name: string): string | undefined {
  return flags.find((flag) => flag.name === name)?.value;
}

export function flagValues(flags: readonly Flag[], name: string): readonly string[] {
  return flags.flatMap((flag) => (flag.name === name && flag.value !== undefined ? [flag.value] : []));
}

/** Of a boolean flag; undefined if it is not given. */
export function flagBoolean(flags: readonly Flag[], name: string): boolean | undefined {
  const flag = flags.find((candidate) => candidate.name === name);
  return flag === undefined ? undefined : flag.value?.toLowerCase() !== 'false';
}

function splitFlag(word: string): Flag {
  const equals = word.indexOf('=');
  return equals < 0 ? { name: word.slice(2) } : { name: word.slice(2, equals), value: word.slice(equals + 1) };
}
