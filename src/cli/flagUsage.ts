import { formatGoDuration } from '../dockerfile/goDuration.ts';
import type { FlagAlias, FlagDefinition, FlagTable } from './pflag.ts';

/**
 * The flags' part of a usage text in cobra's layout: sorted by name, one line each, help texts in one column. `remark` may add
 * to a help text.
 */
export function flagUsage(table: FlagTable, remark: (name: string) => string = () => ''): string {
  const lines = Object.entries(table)
    .filter(([, flag]) => flag.hidden !== true)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, flag]) => [head(name, flag), `${flag.help}${alsoCalled(flag)}${defaultOf(flag)}${remark(name)}`] as const,
    );
  const width = Math.max(0, ...lines.map(([left]) => left.length));
  return lines.map(([left, right]) => `${left.padEnd(width)}   ${right}\n`).join('');
}

const TYPE_NAMES: Readonly<Record<FlagDefinition['type'], string>> = {
  bool: '',
  string: 'string',
  int: 'int',
  duration: 'duration',
  list: 'list',
  pairs: 'key=value',
  map: 'key=value',
};

/** The word for a flag's argument; empty for booleans. */
export function argumentName(flag: FlagDefinition): string {
  return TYPE_NAMES[flag.type];
}

/** The default as help shows it; empty where it is the type's zero. */
export function defaultText(flag: FlagDefinition): string {
  switch (flag.type) {
    case 'bool':
      return flag.default ? 'true' : '';
    case 'string':
      return flag.default === '' ? '' : JSON.stringify(flag.default);
    case 'int':
      return flag.default === 0 ? '' : String(flag.default);
    case 'duration':
      return flag.default === 0 ? '' : formatGoDuration(flag.default);
    case 'list':
      return flag.default.join(', ');
    case 'pairs':
    case 'map':
      return '';
  }
}

/** The other names that are not deprecated: `-t, --tag`. */
export function currentAliases(flag: FlagDefinition): string[] {
  return (flag.aliases ?? []).filter((alias) => alias.deprecated !== true).map(spelled);
}

function head(name: string, flag: FlagDefinition): string {
  const short = flag.shorthand === undefined ? '      ' : `  -${flag.shorthand}, `;
  const argument = argumentName(flag);
  return `${short}--${name}${argument === '' ? '' : ` ${argument}`}`;
}

function alsoCalled(flag: FlagDefinition): string {
  const names = currentAliases(flag);
  return names.length === 0 ? '' : ` (also ${names.join(', ')})`;
}

function defaultOf(flag: FlagDefinition): string {
  const text = defaultText(flag);
  return text === '' ? '' : ` (default ${text})`;
}

function spelled(alias: FlagAlias): string {
  return alias.shorthand === undefined ? `--${alias.name}` : `-${alias.shorthand}, --${alias.name}`;
}
