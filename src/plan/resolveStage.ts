// One stage with its base's configuration: every instruction to a step with nothing left to look up but files. Pure.
import { BuildError } from '../errors.ts';
import { configStep } from './configStep.ts';
import { copyStep } from './copyStep.ts';
import { displayText } from './displayText.ts';
import { joinWorkdir } from './workingDirectory.ts';
import { runStep } from './runStep.ts';
import { setVariable, variablesOf } from './stageState.ts';
import type { Dockerfile, Instruction } from '../dockerfile/instruction.ts';
import type { ContainerConfig } from '../image/config.ts';
import type { BuildScope } from './buildScope.ts';
import type { OwnPart } from './runStep.ts';
import type { StageState } from './stageState.ts';
import type { PlannedStage, ResolvedStage, Step } from './step.ts';

/** What RUN finds programs with if the base image says nothing. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const DEFAULT_SHELL = ['/bin/sh', '-c'];

export interface StageInputs {
  readonly base: {
    /** Of the base image or the stage it is built on; {} for scratch. */
    readonly config: ContainerConfig;
    /** `args` of the stage it is built on; empty for an image. */
    readonly args: ReadonlyMap<string, string | undefined>;
    readonly author?: string;
  };
  readonly dockerfile: Pick<Dockerfile, 'escape'>;
  /** Of the plan. */
  readonly scope: BuildScope;
  /** Default: `/bin/sh -c`. */
  readonly defaultShell?: readonly string[];
}

/**
 * Walks a stage's instructions.
 * @throws BuildError, placed at its instruction: `DOCKERFILE_EXPANSION`, `INSTRUCTION_INVALID`, `INSTRUCTION_UNSUPPORTED`
 */
export function resolveStage(stage: PlannedStage, inputs: StageInputs): ResolvedStage {
  const { base, scope } = inputs;
  const config = startConfig(base.config);
  const state: StageState = {
    scope,
    escape: inputs.dockerfile.escape,
    defaultShell: inputs.defaultShell ?? DEFAULT_SHELL,
    config,
    variables: startVariables(base.args, config),
    args: new Map(base.args),
    commandGiven: false,
    warnings: [],
    ...(base.author === undefined ? {} : { author: base.author }),
  };
  const steps = [
    ...(stage.onbuild ?? []).map((instruction) => resolve(instruction, state, 'ONBUILD ')),
    ...stage.instructions.map((instruction) => resolve(instruction, state, '')),
  ];
  return {
    steps,
    config: state.config,
    args: argsInForce(state),
    warnings: state.warnings,
    ...(state.author === undefined ? {} : { author: state.author }),
  };
}

/** Triggers are used up by the stage that runs them; a program search path is always there. */
function startConfig(base: ContainerConfig): ContainerConfig {
  const { OnBuild: _, ...config } = base;
  const env = config.Env ?? [];
  const hasPath = env.some((entry) => entry.startsWith('PATH='));
  return {
    ...config,
    Env: hasPath ? env : setVariable(env, 'PATH', DEFAULT_PATH),
    ...(config.WorkingDir ? { WorkingDir: joinWorkdir('/', config.WorkingDir) } : {}),
  };
}

/** A stage sees the arguments of the stage it is built on, but that one's ENV comes first again. */
function startVariables(args: StageInputs['base']['args'], config: ContainerConfig): Map<string, string> {
  const variables = variablesOf(config.Env ?? []);
  for (const [name, value] of args) if (value !== undefined && !variables.has(name)) variables.set(name, value);
  return variables;
}

function argsInForce(state: StageState): ReadonlyMap<string, string | undefined> {
  return new Map([...state.args].map(([name, value]) => [name, state.variables.get(name) ?? value]));
}

function resolve(instruction: Instruction, state: StageState, prefix: string): Step {
  try {
    const display = prefix + displayText(instruction, state);
    const own = ownPart(instruction, state);
    return { instruction, display, config: state.config, ...own };
  } catch (error) {
    throw error instanceof BuildError ? error.at(instruction.location) : error;
  }
}

function ownPart(instruction: Instruction, state: StageState): OwnPart<Step> {
  if (instruction.kind === 'run') return runStep(instruction, state);
  if (isCopy(instruction)) return copyStep(instruction, state);
  if (instruction.kind === 'from') throw new Error('FROM is no step of a stage');
  return configStep(instruction, state);
}

function isCopy(instruction: Instruction): instruction is Instruction & { readonly kind: 'copy' | 'add' } {
  return instruction.kind === 'copy' || instruction.kind === 'add';
}
