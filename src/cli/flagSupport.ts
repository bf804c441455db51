import { BuildError } from '../errors.ts';
import type { ExecutorFlag, ExecutorFlagTable } from './flags/executorFlag.ts';
import type { FlagValue, ParsedFlags } from './pflag.ts';

export interface FlagRemarks {
  /** Spellings of given flags that change nothing, and why. */
  readonly withoutEffect: readonly { readonly flag: string; readonly because: string }[];
}

/**
 * What is to be said about the flags that were given and do less than they say.
 * @throws BuildError `FLAG_UNSUPPORTED` for the first one that asks for something kasane can't do
 */
export function remarkOnFlags<T extends ExecutorFlagTable>(table: T, parsed: ParsedFlags<T>): FlagRemarks {
  const withoutEffect: { flag: string; because: string }[] = [];
  for (const [name, spelling] of parsed.given) {
    const flag: ExecutorFlag | undefined = table[name];
    const value: FlagValue | undefined = parsed.values[name];
    if (flag?.support === undefined || value === undefined) continue;
    const { level, because, harmless = [] } = flag.support;
    if (level === 'no-effect') withoutEffect.push({ flag: spelling, because });
    if (level === 'no-effect' || asksForNothing(value, flag.default, harmless)) continue;
    throw new BuildError('FLAG_UNSUPPORTED', `${spelling} is not supported: ${because}`, { facts: { flag: name } });
  }
  return { withoutEffect };
}

function asksForNothing(value: FlagValue, normal: FlagValue, harmless: readonly string[]): boolean {
  if (typeof value !== 'object') return value === normal || harmless.includes(String(value));
  return [...value].every((item) => typeof item === 'string' && harmless.includes(item));
}
