// From instructions to what must be built: the stages as a graph, cut down to what the target needs. Pure.
import { BuildError, messageOf } from '../errors.ts';
import { buildScope, expandInFrom } from './buildScope.ts';
import { goQuote } from '../dockerfile/goQuote.ts';
import { needsNoDeclaration } from './predefinedArgs.ts';
import { parsePlatform } from '../image/platform.ts';
import { stageSources } from './stageSources.ts';
import { withSuggestion } from '../dockerfile/suggest.ts';
import type { Platform } from '../image/platform.ts';
import type { Dockerfile, Instruction, ParsedStage } from '../dockerfile/instruction.ts';
import type { BuildScope, PlanWarning, ScopeOptions } from './buildScope.ts';
import type { BuildPlan, PlannedStage, StageBase } from './step.ts';
import type { StageUse } from './stageSources.ts';

export interface PlanOptions extends ScopeOptions {
  /** Name of the stage to build, or its number; default: the last one. */
  readonly target?: string;
  /**
   * ONBUILD triggers of base images, by the position of the stage. They are known only when the base's configuration is:
   * plan without them first, then again with them, for they may need more stages.
   */
  readonly onbuild?: ReadonlyMap<number, readonly Instruction[]>;
}

/** A plan with what `resolveStage` needs. */
export interface PlannedBuild extends BuildPlan {
  readonly scope: BuildScope;
  readonly warnings: readonly PlanWarning[];
}

/**
 * Which stages are built, from what, and which others they read. FROM is expanded; the rest is `resolveStage`'s.
 * @throws BuildError `STAGE_NOT_FOUND`, `STAGE_ORDER`, `STAGE_CYCLE`, `DOCKERFILE_SYNTAX`, `DOCKERFILE_EXPANSION`,
 * `PLATFORM_INVALID`, in BuildKit's words
 */
export function planStages(dockerfile: Dockerfile, options: PlanOptions): PlannedBuild {
  const scope = buildScope(dockerfile, options);
  const warnings: PlanWarning[] = [...dockerfile.warnings, ...duplicateNames(dockerfile.stages)];
  const nodes: StageNode[] = [];
  for (const [index, stage] of dockerfile.stages.entries()) {
    const base = resolveBase(stage, nodes, scope, dockerfile.escape, warnings);
    const onbuild = base.kind === 'stage' ? triggersOf(dockerfile, base.index) : (options.onbuild?.get(index) ?? []);
    const uses = stageSources([...onbuild, ...stage.instructions], scope, dockerfile.escape);
    nodes.push({ index, stage, base, onbuild, uses });
  }
  rejectCycles(nodes);
  const target = findTarget(options.target, scope);
  const needed = reachable(target, nodes);
  const stages = nodes.filter(({ index }) => needed.has(index)).map(planned);
  return { stages, target, scope, warnings: [...warnings, ...unconsumedArgs(dockerfile, options)] };
}

interface StageNode {
  readonly index: number;
  readonly stage: ParsedStage;
  readonly base: StageBase;
  readonly onbuild: readonly Instruction[];
  readonly uses: readonly StageUse[];
}

function planned({ index, stage, base, onbuild, uses }: StageNode): PlannedStage {
  for (const use of uses) {
    if (use.index < index) continue;
    throw new BuildError('STAGE_ORDER', use.outOfOrder(nameOf(stage, index)), { location: use.instruction.location });
  }
  const bases = base.kind === 'stage' ? [base.index] : [];
  return {
    index,
    base,
    from: stage.from,
    instructions: stage.instructions,
    dependencies: new Set([...bases, ...uses.map((use) => use.index)]),
    ...(stage.from.stageName === undefined ? {} : { name: stage.from.stageName }),
    ...(onbuild.length === 0 ? {} : { onbuild }),
  };
}

/** An unnamed stage is called by its number, as BuildKit does. */
function nameOf(stage: ParsedStage, index: number): string {
  return stage.from.stageName ?? `stage-${index}`;
}

function resolveBase(
  { from }: ParsedStage,
  earlier: readonly StageNode[],
  scope: BuildScope,
  escape: Dockerfile['escape'],
  warnings: PlanWarning[],
): StageBase {
  const image = expandInFrom(from.image, scope, escape, from.location);
  warnings.push(...image.warnings);
  if (image.text === '') {
    throw new BuildError('DOCKERFILE_SYNTAX', `base name (${from.image}) should not be blank`, {
      location: from.location,
      hint: 'Give the argument a default before the first FROM, or pass it with --build-arg.',
    });
  }
  const platform = resolvePlatform(from, scope, escape, warnings);
  if (image.text === 'scratch') return { kind: 'scratch' };
  const name = image.text.toLowerCase();
  const index = earlier.findLast(({ stage }) => stage.from.stageName === name)?.index;
  if (index !== undefined) return { kind: 'stage', index };
  return { kind: 'image', reference: image.text, ...(platform === undefined ? {} : { platform }) };
}

function resolvePlatform(
  from: ParsedStage['from'],
  scope: BuildScope,
  escape: Dockerfile['escape'],
  warnings: PlanWarning[],
): Platform | undefined {
  if (from.platform === undefined) return undefined;
  const { location } = from;
  const expanded = expandInFrom(from.platform, scope, escape, location);
  warnings.push(...expanded.warnings);
  const fault = (message: string): BuildError => {
    const hinted = [...expanded.unmatched].map((name) => withSuggestion(message, name, scope.globals.keys()));
    return new BuildError('PLATFORM_INVALID', hinted.find((text) => text !== message) ?? message, { location });
  };
  if (expanded.text === '') throw fault(`empty platform value from expression ${from.platform}`);
  try {
    return parsePlatform(expanded.text);
  } catch (error) {
    throw fault(`failed to parse platform ${from.platform}: ${messageOf(error)}`);
  }
}

/** A stage that is built on another stage of the file runs that one's ONBUILD triggers, and no older ones. */
function triggersOf(dockerfile: Dockerfile, index: number): readonly Instruction[] {
  const instructions = dockerfile.stages[index]?.instructions ?? [];
  return instructions.flatMap((instruction) => (instruction.kind === 'onbuild' ? [instruction.instruction] : []));
}

function findTarget(target: string | undefined, scope: BuildScope): number {
  if (target === undefined || target === '') return scope.stageCount - 1;
  const named = scope.stageNames.get(target.toLowerCase());
  if (named !== undefined) return named;
  if (/^\d+$/.test(target) && Number(target) < scope.stageCount) return Number(target);
  const message = `target stage ${goQuote(target)} could not be found`;
  throw new BuildError('STAGE_NOT_FOUND', withSuggestion(message, target, scope.stageNames.keys()));
}

function reachable(target: number, nodes: readonly StageNode[]): ReadonlySet<number> {
  const found = new Set([target]);
  for (const index of found) {
    const node = nodes[index];
    if (node?.base.kind === 'stage') found.add(node.base.index);
    for (const use of node?.uses ?? []) found.add(use.index);
  }
  return found;
}

/** Stages that copy from each other are an error even where the target needs none of them. */
function rejectCycles(nodes: readonly StageNode[]): void {
  const done = new Set<number>();
  const path = new Set<number>();
  const visit = (node: StageNode): StageUse | undefined => {
    if (done.has(node.index)) return undefined;
    done.add(node.index);
    path.add(node.index);
    for (const use of node.uses) {
      if (path.has(use.index)) return use;
      const next = nodes[use.index];
      const found = next === undefined ? undefined : visit(next);
      if (found !== undefined) return found;
    }
    path.delete(node.index);
    return undefined;
  };
  for (const node of nodes) {
    const use = visit(node);
    if (use === undefined) continue;
    throw new BuildError('STAGE_CYCLE', `circular dependency detected on stage: ${nameOf(node.stage, node.index)}`, {
      location: use.instruction.location,
    });
  }
}

function duplicateNames(stages: readonly ParsedStage[]): readonly PlanWarning[] {
  const seen = new Set<string>();
  return stages.flatMap(({ from: { stageName, location } }) => {
    if (stageName === undefined) return [];
    const again = seen.has(stageName);
    seen.add(stageName);
    const message = `DuplicateStageName: Duplicate stage name "${stageName}", stage names should be unique`;
    return again ? [{ message, location }] : [];
  });
}

function unconsumedArgs(dockerfile: Dockerfile, options: PlanOptions): readonly PlanWarning[] {
  const instructions = [
    ...dockerfile.globalArgs,
    ...dockerfile.stages.flatMap((stage) => stage.instructions),
    ...[...(options.onbuild?.values() ?? [])].flat(),
  ].map((instruction) => (instruction.kind === 'onbuild' ? instruction.instruction : instruction));
  const declared = new Set(
    instructions.flatMap((instruction) => (instruction.kind === 'arg' ? instruction.args.map(({ name }) => name) : [])),
  );
  const unknown = [...options.buildArgs.keys()].filter(
    (name) => !declared.has(name) && !needsNoDeclaration(name) && !isPlatformArg(name),
  );
  if (unknown.length === 0) return [];
  return [{ message: `[Warning] One or more build-args [${unknown.join(' ')}] were not consumed` }];
}

function isPlatformArg(name: string): boolean {
  return /^(TARGET|BUILD)(PLATFORM|OS|OSVERSION|ARCH|VARIANT)$|^TARGETSTAGE$/.test(name);
}
