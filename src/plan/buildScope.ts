import { BuildError } from '../errors.ts';
import { expand, expandWord } from '../dockerfile/expandWord.ts';
import { platformArgs } from './predefinedArgs.ts';
import { suggest } from '../dockerfile/suggest.ts';
import type { SourceLocation } from '../errors.ts';
import type { Platform } from '../image/platform.ts';
import type { Dockerfile } from '../dockerfile/instruction.ts';
import type { FileSource } from './step.ts';

export interface PlanWarning {
  readonly message: string;
  readonly location?: SourceLocation;
}

/** What every stage of a build may see: global arguments, build arguments, the names of stages. */
export interface BuildScope {
  /** Platform arguments and the ARGs before the first FROM that have a value. */
  readonly globals: ReadonlyMap<string, string>;
  /** Every name that global scope declares, with a value or without. */
  readonly globalNames: ReadonlySet<string>;
  readonly buildArgs: ReadonlyMap<string, string>;
  /** Lower case, to the position of the last stage of that name. */
  readonly stageNames: ReadonlyMap<string, number>;
  readonly stageCount: number;
}

export interface ScopeOptions {
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly target?: string;
  readonly buildPlatform: Platform;
  readonly targetPlatform: Platform;
}

/** Evaluates what stands before the first FROM. */
export function buildScope(dockerfile: Dockerfile, options: ScopeOptions): BuildScope {
  const { buildArgs } = options;
  const target = options.target ?? dockerfile.stages.at(-1)?.from.stageName ?? 'default';
  const platforms = platformArgs(options.buildPlatform, options.targetPlatform, target);
  const globals = new Map([...platforms].map(([name, value]) => [name, buildArgs.get(name) ?? value]));
  const globalNames = new Set(globals.keys());
  for (const instruction of dockerfile.globalArgs) {
    if (instruction.kind !== 'arg') continue;
    for (const { name, value } of instruction.args) {
      globalNames.add(name);
      const given =
        buildArgs.get(name) ??
        (value === undefined ? undefined : expandGlobal(value, globals, dockerfile.escape, instruction.location));
      if (given !== undefined) globals.set(name, given);
    }
  }
  const stageNames = new Map(
    dockerfile.stages.flatMap(({ from }, index) => (from.stageName === undefined ? [] : [[from.stageName, index]])),
  );
  return { globals, globalNames, buildArgs, stageNames, stageCount: dockerfile.stages.length };
}

/** Expands a word of FROM; a variable that global scope does not declare is warned of. */
export function expandInFrom(
  word: string,
  scope: BuildScope,
  escape: Dockerfile['escape'],
  location: SourceLocation,
): { text: string; unmatched: ReadonlySet<string>; warnings: readonly PlanWarning[] } {
  try {
    const { text, unmatched } = expand(word, (name) => scope.globals.get(name), { escape });
    const warnings = [...unmatched]
      .filter((name) => !scope.globalNames.has(name))
      .map((name) => {
        const match = suggest(name, scope.globalNames);
        const hint = match === undefined ? '' : ` (did you mean ${match}?)`;
        return { message: `UndefinedArgInFrom: FROM argument '${name}' is not declared${hint}`, location };
      });
    return { text, unmatched, warnings };
  } catch (error) {
    throw error instanceof BuildError ? error.at(location) : error;
  }
}

/**
 * What `--from` names: a stage by name or number, else an image.
 * @throws BuildError `STAGE_NOT_FOUND` for a number that no stage has
 */
export function fileSource(from: string, scope: BuildScope): FileSource {
  const named = scope.stageNames.get(from.toLowerCase());
  if (named !== undefined) return { kind: 'stage', index: named };
  if (!/^[-+]?\d+$/.test(from)) return { kind: 'image', reference: from };
  const index = Number(from);
  if (index < 0 || index >= scope.stageCount) {
    throw new BuildError('STAGE_NOT_FOUND', `invalid stage index ${index}`, {
      hint: `The Dockerfile has ${scope.stageCount} stages; the first is 0.`,
    });
  }
  return { kind: 'stage', index };
}

function expandGlobal(
  value: string,
  globals: ReadonlyMap<string, string>,
  escape: Dockerfile['escape'],
  location: SourceLocation,
): string {
  try {
    return expandWord(value, (name) => globals.get(name), { escape });
  } catch (error) {
    throw error instanceof BuildError ? error.at(location) : error;
  }
}
