import { BuildError } from '../errors.ts';
import { entersEnvironment } from './predefinedArgs.ts';
import { expand } from '../dockerfile/expandWord.ts';
import { isSecretName } from './secretName.ts';
import { suggest } from '../dockerfile/suggest.ts';
import type { Dockerfile, Instruction } from '../dockerfile/instruction.ts';
import type { ContainerConfig } from '../image/config.ts';
import type { BuildScope } from './buildScope.ts';
import type { Expansion } from '../dockerfile/expandWord.ts';

/** What changes while the instructions of a stage are walked. `config` itself is never changed, only replaced. */
export interface StageState {
  readonly scope: BuildScope;
  readonly escape: Dockerfile['escape'];
  readonly defaultShell: readonly string[];
  config: ContainerConfig;
  author?: string;
  /** What words are expanded with and RUN sees: ENV and ARG, the last writer of a name wins. */
  readonly variables: Map<string, string>;
  /** Every ARG of this stage and the stages below it, in order; with its value, if it has one. */
  readonly args: Map<string, string | undefined>;
  /** CMD was given in this stage, so ENTRYPOINT leaves it alone. */
  commandGiven: boolean;
  readonly warnings: { message: string; instruction: Instruction }[];
}

/** Expands one word of an instruction. */
export function expandIn(state: StageState, word: string, instruction: Instruction): string {
  return note(state, instruction, expand(word, lookup(state), { escape: state.escape })).text;
}

/** Takes an expansion's account of variables that are not set. */
export function note(state: StageState, instruction: Instruction, expansion: Expansion): Expansion {
  for (const name of expansion.unmatched) {
    if (state.args.has(name) || !entersEnvironment(name)) continue;
    const match = suggest(name, state.variables.keys());
    const hint = match === undefined ? '' : ` (did you mean $${match}?)`;
    warn(state, instruction, `UndefinedVar: Usage of undefined variable '$${name}'${hint}`);
  }
  return expansion;
}

export function lookup(state: StageState): (name: string) => string | undefined {
  return (name) => state.variables.get(name);
}

/** Once per instruction, however often it is found. */
function warn(state: StageState, instruction: Instruction, message: string): void {
  if (state.warnings.some((each) => each.message === message && each.instruction === instruction)) return;
  state.warnings.push({ message, instruction });
}

export function warnOfSecret(state: StageState, instruction: Instruction, name: string): void {
  if (!isSecretName(name)) return;
  const keyword = instruction.kind.toUpperCase();
  const rule = 'SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data';
  warn(state, instruction, `${rule} (${keyword} "${name}")`);
}

export function invalid(message: string, hint?: string): BuildError {
  return new BuildError('INSTRUCTION_INVALID', message, hint === undefined ? {} : { hint });
}

/** `NAME=value` entries with one name set: in place if it is there, else at the end. */
export function setVariable(entries: readonly string[], name: string, value: string): readonly string[] {
  const entry = `${name}=${value}`;
  const index = entries.findIndex((each) => nameOf(each) === name);
  return index < 0 ? [...entries, entry] : entries.with(index, entry);
}

/** The names and values of `NAME=value` entries; the last of a name wins. */
export function variablesOf(entries: readonly string[]): Map<string, string> {
  return new Map(entries.map((entry) => [nameOf(entry), entry.slice(nameOf(entry).length + 1)]));
}

function nameOf(entry: string): string {
  const equals = entry.indexOf('=');
  return equals < 0 ? entry : entry.slice(0, equals);
}
