import { BuildError } from '../errors.ts';
import { expandWord } from '../dockerfile/expandWord.ts';
import { flagValues } from '../dockerfile/flags.ts';
import { isSecretName } from './secretName.ts';
import { parseMountFields } from '../dockerfile/mountFlag.ts';
import type { Instruction } from '../dockerfile/instruction.ts';
import type { StageState } from './stageState.ts';

/**
 * What the log shows of an instruction: its text with variables filled in, quotes and escapes as written. Variables that
 * look like secrets, or hold the value of a build argument that does, stay as written.
 */
export function displayText(instruction: Instruction, state: StageState): string {
  const secrets = secretValues(state);
  const masked = secretVariables(instruction);
  const visible = (name: string): string | undefined => {
    if (masked.has(name)) return '****';
    const value = state.variables.get(name);
    if (value === undefined || isSecretName(name) || secrets.some((secret) => value.includes(secret))) return undefined;
    return value;
  };
  const text = fill(instruction.text, visible, state).replace(/^\S+/, (keyword) => keyword.toUpperCase());
  return text + bodySummary(instruction);
}

function fill(text: string, visible: (name: string) => string | undefined, state: StageState): string {
  try {
    return expandWord(text, visible, { escape: state.escape, rawQuotes: true, rawEscapes: true, keepUnset: true });
  } catch (error) {
    // A shell's text need not be what the builder's own expansion understands.
    if (error instanceof BuildError) return text;
    throw error;
  }
}

function secretValues(state: StageState): readonly string[] {
  return [...state.scope.buildArgs].flatMap(([name, value]) => (isSecretName(name) && value !== '' ? [value] : []));
}

/** Variables that a secret mount sets: the same name outside is not what the command will see. */
function secretVariables(instruction: Instruction): ReadonlySet<string> {
  const mounts = flagValues(instruction.flags, 'mount').map(parseMountFields);
  return new Set(
    mounts.flatMap((fields) => fields.flatMap(({ key, value }) => (key === 'env' && value ? [value] : []))),
  );
}

/** The first line of a RUN heredoc's body, as BuildKit shows it. */
function bodySummary(instruction: Instruction): string {
  if (instruction.kind !== 'run' || instruction.command.form !== 'shell') return '';
  const { text, heredocs } = instruction.command;
  const [first] = heredocs;
  if (first === undefined || !/^\d*<<-?[^<\s]*$/.test(text)) return '';
  const lines = first.content.trim().split(/\r?\n/);
  return ` (${lines[0] ?? ''}${lines.length > 1 ? '...' : ''})`;
}
