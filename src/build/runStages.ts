import type { CacheKey } from '../cache/cacheKey.ts';
import type { Dockerfile } from '../dockerfile/instruction.ts';
import { suggest } from '../dockerfile/suggest.ts';
import { BuildError } from '../errors.ts';
import type { Image, Layer } from '../image/image.ts';
import { resolveStage } from '../plan/resolveStage.ts';
import type { PlannedBuild } from '../plan/planStages.ts';
import type { FileSource, PlannedStage } from '../plan/step.ts';
import { limitConcurrency } from '../registry/limitConcurrency.ts';
import { LayerTree } from '../tree/layerTree.ts';
import type { Tree } from '../tree/tree.ts';
import { borrowListings, lendListings } from './baseListings.ts';
import { lookAhead, type Foresight } from './lookAhead.ts';
import type { BuildSession } from './session.ts';
import { keyOfBase, keyOfImage, type KeyedSource, type StepCaching } from './stepCaching.ts';
import { runStage, type Limit, type StageResult, type StageStart } from './stage.ts';

export interface StagesInputs {
  readonly session: BuildSession;
  readonly dockerfile: Dockerfile;
  readonly plan: PlannedBuild;
  readonly caching: StepCaching | undefined;
  readonly context: () => Tree;
  /** Told of every layer of the result, the base's included, as early as it is known to belong to it; as `StageInputs.onLayer`. */
  readonly onTargetLayer: (layer: Layer) => Promise<Layer>;
  /** Called when a stage has failed: the others need not go on. */
  readonly stop: () => void;
}

/**
 * Runs the plan's stages side by side, `jobs` of their steps at a time; a step waits for the stages it reads. A stage of which all that is
 * taken is in a cache is not run. Gives the target's image.
 */
export async function runStages(inputs: StagesInputs): Promise<Image> {
  const { session, plan, caching } = inputs;
  const foresight = await foresee(inputs);
  const limit = limitConcurrency(session.request.jobs);
  const results = new Map<number, Promise<StageResult>>();
  const targetChain = chainOf(plan);
  // The first one: what fails after it failed because the build was stopped.
  let failure: { readonly error: unknown } | undefined;
  const start = (stage: PlannedStage): Promise<StageResult> => {
    const result = executeStage(inputs, stage, stages, limit, targetChain.has(stage.index));
    result.catch((error: unknown) => {
      failure ??= { error };
      inputs.stop();
    });
    results.set(stage.index, result);
    return result;
  };
  const stages: Stages = {
    result: (index) => results.get(index) ?? start(stageAt(plan, index)),
    foreseenKey: (index) => (results.has(index) ? undefined : foresight?.keys.get(index)),
  };
  for (const stage of plan.stages) {
    if (results.has(stage.index)) continue;
    if (foresight === undefined || foresight.needed.has(stage.index)) void start(stage);
    else {
      session.log('info', `Skipping stage ${stage.name ?? stage.index}: what is taken from it is in the cache`);
      caching?.recorder.skip(stage);
    }
  }
  // More may be started meanwhile.
  for (let count = 0; count < results.size;) {
    count = results.size;
    await Promise.allSettled(results.values());
  }
  if (failure !== undefined) throw failure.error;
  return (await stages.result(plan.target)).image;
}

/** The stages of a build on their way. */
interface Stages {
  /** Starts the stage if nothing did before. */
  result(index: number): Promise<StageResult>;
  /** The last key of a stage that is not started. */
  foreseenKey(index: number): CacheKey | undefined;
}

async function foresee({ session, dockerfile, plan, caching, context }: StagesInputs): Promise<Foresight | undefined> {
  if (caching === undefined || caching.from.length === 0) return undefined;
  try {
    return await lookAhead({ session, dockerfile, plan, caching, context });
  } catch (error) {
    // It is met again where it can be told at which line.
    if (error instanceof BuildError) return undefined;
    throw error;
  }
}

async function executeStage(
  { session, dockerfile, plan, context, onTargetLayer, caching }: StagesInputs,
  stage: PlannedStage,
  stages: Stages,
  limit: Limit,
  isTarget: boolean,
): Promise<StageResult> {
  session.signal?.throwIfAborted();
  const parent = stage.base.kind === 'stage' ? await stages.result(stage.base.index) : undefined;
  const start = await startOf(session, stage, parent, caching);
  const resolved = resolveStage(stage, {
    base: {
      config: parent?.resolved.config ?? start.config?.config ?? {},
      args: parent?.resolved.args ?? new Map(),
      ...authorOf(parent?.resolved.author ?? start.config?.author),
    },
    dockerfile,
    scope: plan.scope,
  });
  for (const { message } of resolved.warnings) session.log('warn', message);
  const result = await runStage({
    session,
    stage,
    resolved,
    start,
    limit,
    caching,
    source: (from) => openSource(session, from, stages, context, plan.scope.stageNames.keys()),
    onLayer: isTarget ? onTargetLayer : (layer) => Promise.resolve(layer),
    baseIsNew: parent === undefined,
  });
  if (caching !== undefined && result.executed && start.digest !== undefined) {
    lendListings(session, caching, start.layers);
  }
  return result;
}

async function startOf(
  session: BuildSession,
  { base, from }: PlannedStage,
  parent: StageResult | undefined,
  caching: StepCaching | undefined,
): Promise<StageStart> {
  if (base.kind === 'scratch') {
    return {
      format: 'docker',
      layers: [],
      history: [],
      tree: () => Promise.resolve(LayerTree.empty()),
      key: keyOfBase(session, undefined),
    };
  }
  if (parent !== undefined) {
    const { image } = parent;
    return {
      format: image.format,
      config: image.config,
      layers: image.layers,
      history: parent.history,
      tree: async () => (await parent.tree()).clone(),
      key: parent.key,
      missed: parent.missed,
    };
  }
  if (base.kind === 'stage') throw new Error('a stage runs after the one it is built on');
  try {
    const image = await session.image(base.reference, base.platform ?? session.request.platform);
    return {
      format: image.format,
      config: image.config,
      layers: image.layers,
      history: image.config.history ?? [],
      tree: async () => {
        if (caching !== undefined) await borrowListings(session, caching, image.layers);
        return (await session.tree(image)).clone();
      },
      key: keyOfImage(session, image),
      ...(image.digest === undefined ? {} : { digest: image.digest }),
    };
  } catch (error) {
    throw error instanceof BuildError ? error.at(from.location) : error;
  }
}

async function openSource(
  session: BuildSession,
  from: FileSource,
  stages: Stages,
  context: () => Tree,
  stageNames: Iterable<string>,
): Promise<KeyedSource> {
  switch (from.kind) {
    case 'context':
      return { tree: () => Promise.resolve(context()), isContext: true };
    case 'stage': {
      const stageKey = stages.foreseenKey(from.index);
      if (stageKey !== undefined) {
        return { stageKey, executed: false, tree: async () => (await stages.result(from.index)).tree() };
      }
      const result = await stages.result(from.index);
      return { tree: () => result.tree(), stageKey: result.key, executed: result.executed };
    }
    case 'image': {
      if (from.reference === 'scratch') return { tree: () => Promise.resolve(LayerTree.empty()) };
      const image = await imageOrNearStage(session, from.reference, stageNames);
      return { tree: () => session.tree(image), stageKey: keyOfImage(session, image), executed: false };
    }
  }
}

/** A mistyped stage is looked for in a registry: what is said when it is not there names the stage that is meant. */
async function imageOrNearStage(session: BuildSession, name: string, stageNames: Iterable<string>): Promise<Image> {
  try {
    return await session.image(name, session.request.platform);
  } catch (error) {
    const near = suggest(name, stageNames);
    if (!(error instanceof BuildError) || near === undefined) throw error;
    throw new BuildError(error.code, error.message, {
      cause: error,
      facts: error.facts,
      hint: `No stage is called ${name}, so it is taken for an image; did you mean the stage ${near}?`,
    });
  }
}

/** The target and the stages it is built on: all whose layers are the result's. */
function chainOf(plan: PlannedBuild): ReadonlySet<number> {
  const chain = new Set<number>();
  for (let index: number | undefined = plan.target; index !== undefined;) {
    chain.add(index);
    const stage = plan.stages.find((candidate) => candidate.index === index);
    index = stage?.base.kind === 'stage' ? stage.base.index : undefined;
  }
  return chain;
}

function stageAt({ stages }: PlannedBuild, index: number): PlannedStage {
  const stage = stages.find((candidate) => candidate.index === index);
  if (stage === undefined) throw new Error(`stage ${index} is not in the plan`);
  return stage;
}

function authorOf(author: string | undefined): { readonly author?: string } {
  return author === undefined ? {} : { author };
}
