import { BuildError } from '../errors.ts';
import { expandWord } from '../dockerfile/expandWord.ts';
import { fileSource } from './buildScope.ts';
import { flagValue, flagValues } from '../dockerfile/flags.ts';
import { parseMountFields } from '../dockerfile/mountFlag.ts';
import type { Dockerfile, Instruction } from '../dockerfile/instruction.ts';
import type { BuildScope } from './buildScope.ts';

/** A stage that an instruction reads. */
export interface StageUse {
  readonly index: number;
  readonly instruction: Instruction;
  /** What went wrong if that stage does not come earlier. */
  readonly outOfOrder: (stage: string) => string;
}

/** The stages that COPY --from and RUN --mount from= of these instructions read. */
export function stageSources(
  instructions: readonly Instruction[],
  scope: BuildScope,
  escape: Dockerfile['escape'],
): readonly StageUse[] {
  return instructions.flatMap((instruction) => {
    try {
      return usesOf(instruction, scope, escape);
    } catch (error) {
      throw error instanceof BuildError ? error.at(instruction.location) : error;
    }
  });
}

/**
 * The value of COPY --from; '' if there is none.
 * @throws BuildError if it holds anything to expand: stages are known before variables
 */
export function copyFrom(instruction: Instruction, escape: Dockerfile['escape']): string {
  const from = flagValue(instruction.flags, 'from') ?? '';
  if (expandWord(from, () => undefined, { escape }) !== from) {
    throw new BuildError(
      'DOCKERFILE_SYNTAX',
      'variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround',
    );
  }
  return from;
}

function usesOf(instruction: Instruction, scope: BuildScope, escape: Dockerfile['escape']): readonly StageUse[] {
  if (instruction.kind === 'copy') {
    const from = copyFrom(instruction, escape);
    const source = from === '' ? undefined : fileSource(from, scope);
    if (source?.kind !== 'stage') return [];
    const outOfOrder = (stage: string): string =>
      `cannot copy from stage "${from}", it needs to be defined before current stage "${stage}"`;
    return [{ index: source.index, instruction, outOfOrder }];
  }
  if (instruction.kind !== 'run') return [];
  return flagValues(instruction.flags, 'mount').flatMap((mount) => {
    const fields = parseMountFields(mount);
    const from = fields.findLast(({ key }) => key === 'from')?.value ?? '';
    const type = fields.findLast(({ key }) => key === 'type')?.value ?? 'bind';
    const source = from === '' || type.toLowerCase() === 'tmpfs' ? undefined : fileSource(from, scope);
    if (source?.kind !== 'stage') return [];
    const target = fields.findLast(({ key }) => ['target', 'dst', 'destination'].includes(key))?.value ?? '';
    const outOfOrder = (): string =>
      `cannot mount from stage "${from}" to "${target}", stage needs to be defined before current command`;
    return [{ index: source.index, instruction, outOfOrder }];
  });
}
