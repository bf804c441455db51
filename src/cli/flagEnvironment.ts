import { BuildError, messageOf } from '../errors.ts';
import type { ExecutorFlagTable } from './flags/executorFlag.ts';
import { parseFlagText } from './pflag.ts';
import type { FlagValue, FlagValues, ParsedFlags } from './pflag.ts';

/**
 * The flags with the environment variables applied that speak for them. An empty variable is as good as none.
 * @throws BuildError `FLAG_INVALID` if a variable's value does not fit its flag
 */
export function withEnvironment<T extends ExecutorFlagTable>(
  table: T,
  parsed: ParsedFlags<T>,
  environment: Readonly<Record<string, string | undefined>>,
): ParsedFlags<T> {
  const values: Record<string, FlagValue> = { ...parsed.values };
  const given = new Map(parsed.given);
  for (const [name, flag] of Object.entries(table)) {
    const variable = flag.environment;
    const text = variable === undefined ? undefined : environment[variable.name];
    if (variable === undefined || text === undefined || text === '') continue;
    if (variable.order === 'flag-wins' && given.has(name)) continue;
    try {
      values[name] = parseFlagText(flag, text, variable.order === 'adds' ? values[name] : undefined);
    } catch (cause) {
      throw new BuildError(
        'FLAG_INVALID',
        `invalid value ${JSON.stringify(text)} for ${variable.name}: ${messageOf(cause)}`,
      );
    }
    given.set(name, variable.name);
  }
  return { ...parsed, values: values as FlagValues<T>, given };
}
