import type { CacheKey } from '../cache/cacheKey.ts';
import type { Dockerfile } from '../dockerfile/instruction.ts';
import { BuildError } from '../errors.ts';
import { resolveStage } from '../plan/resolveStage.ts';
import type { PlannedBuild } from '../plan/planStages.ts';
import type { FileSource, PlannedStage, ResolvedStage, Step } from '../plan/step.ts';
import type { Tree } from '../tree/tree.ts';
import type { BuildSession } from './session.ts';
import { StageCache, type KeyStart } from './stepCache.ts';
import { keyOfBase, keyOfImage, type KeyedSource, type StepCaching } from './stepCaching.ts';

export interface LookAheadInputs {
  readonly session: BuildSession;
  readonly dockerfile: Dockerfile;
  readonly plan: PlannedBuild;
  readonly caching: StepCaching;
  readonly context: () => Tree;
}

/** What the caches say of a build before it begins. */
export interface Foresight {
  /** Stages that are needed: the target, what it is built on, and what is read by a step that will be executed. */
  readonly needed: ReadonlySet<number>;
  /** Of the others: the last key, under which the caches have all that is taken from them. */
  readonly keys: ReadonlyMap<number, CacheKey>;
}

/**
 * Finds out which stages a build can do without, since all that is taken from them is in a cache. Executes nothing and reads no layer. What
 * can't be known before is taken for needed.
 */
export async function lookAhead(inputs: LookAheadInputs): Promise<Foresight> {
  const executed = new Set<number>();
  for (;;) {
    const count = executed.size;
    const look = new LookAhead(inputs, executed);
    await look.at(inputs.plan.target);
    // A stage that turned out to be executed says nothing by its key: what was seen before that has to be seen anew.
    if (executed.size === count) return { needed: look.needed, keys: await look.keysOfOthers() };
  }
}

/** Something that only the build itself will show. */
class Unforeseeable extends Error {}

interface Prepared {
  readonly stage: PlannedStage;
  readonly resolved: ResolvedStage;
  /** Undefined for a stage that is built on another. */
  readonly start: KeyStart | undefined;
}

class LookAhead {
  readonly needed = new Set<number>();
  readonly #inputs: LookAheadInputs;
  readonly #executed: Set<number>;
  readonly #prepared = new Map<number, Promise<Prepared>>();
  readonly #ends = new Map<number, Promise<KeyStart | undefined>>();
  readonly #keys = new Map<number, Promise<CacheKey | undefined>>();

  constructor(inputs: LookAheadInputs, executed: Set<number>) {
    this.#inputs = inputs;
    this.#executed = executed;
  }

  /** Looks at a stage that is needed; gives where a stage that is built on it begins, if that can be known. */
  at(index: number): Promise<KeyStart | undefined> {
    let end = this.#ends.get(index);
    if (end === undefined) this.#ends.set(index, (end = this.#at(index)));
    return end;
  }

  async keysOfOthers(): Promise<Map<number, CacheKey>> {
    const keys = new Map<number, CacheKey>();
    for (const [index, key] of this.#keys) {
      const known = await key;
      if (known !== undefined && !this.needed.has(index)) keys.set(index, known);
    }
    return keys;
  }

  async #at(index: number): Promise<KeyStart | undefined> {
    this.needed.add(index);
    const { stage, resolved, start } = await this.#prepare(index);
    const begin = start ?? (stage.base.kind === 'stage' ? await this.at(stage.base.index) : undefined);
    const cache = begin === undefined ? undefined : this.#open(stage, begin, 'look');
    let foreseen = cache !== undefined;
    for (const step of resolved.steps) {
      if (step.kind === 'metadata') continue;
      const found = foreseen && cache?.missed === false ? await this.#find(cache, step) : 'unforeseeable';
      if (found === true) continue;
      if (found === 'unforeseeable') foreseen = false;
      this.#executed.add(index);
      for (const source of stagesRead(step)) await this.at(source);
    }
    return foreseen && cache !== undefined ? { key: cache.key, missed: cache.missed } : undefined;
  }

  async #find(cache: StageCache, step: FileStep): Promise<boolean | 'unforeseeable'> {
    try {
      return (await cache.find(step, (from) => this.#source(from), false)) !== undefined;
    } catch (error) {
      // What is wrong with a step is said when it is its turn.
      if (error instanceof Unforeseeable || error instanceof BuildError) return 'unforeseeable';
      throw error;
    }
  }

  /** The last key of a stage whose steps are not looked for. */
  #key(index: number): Promise<CacheKey | undefined> {
    let key = this.#keys.get(index);
    if (key === undefined) this.#keys.set(index, (key = this.#findKey(index)));
    return key;
  }

  async #findKey(index: number): Promise<CacheKey | undefined> {
    const { stage, resolved, start } = await this.#prepare(index);
    const { caching } = this.#inputs;
    if (this.#executed.has(index) || caching.isExecuted(stage)) return undefined;
    const base = stage.base.kind === 'stage' ? await this.#key(stage.base.index) : undefined;
    const begin = start ?? (base === undefined ? undefined : { key: base });
    if (begin === undefined) return undefined;
    const cache = this.#open(stage, begin, 'key');
    for (const step of resolved.steps) {
      if (step.kind !== 'metadata' && (await this.#find(cache, step)) === 'unforeseeable') return undefined;
    }
    return cache.key;
  }

  async #source(from: FileSource): Promise<KeyedSource> {
    const { session, context } = this.#inputs;
    switch (from.kind) {
      case 'context':
        return { tree: () => Promise.resolve(context()), isContext: true };
      case 'image': {
        if (from.reference === 'scratch') return { tree: unforeseeable };
        return {
          tree: unforeseeable,
          stageKey: keyOfImage(session, await session.image(from.reference, session.request.platform)),
        };
      }
      case 'stage': {
        const stageKey = await this.#key(from.index);
        return { tree: unforeseeable, ...(stageKey === undefined ? {} : { stageKey }) };
      }
    }
  }

  #open(stage: PlannedStage, start: KeyStart, purpose: 'look' | 'key'): StageCache {
    return new StageCache(this.#inputs.session, this.#inputs.caching, stage, start, purpose);
  }

  #prepare(index: number): Promise<Prepared> {
    let prepared = this.#prepared.get(index);
    if (prepared === undefined) this.#prepared.set(index, (prepared = this.#resolve(index)));
    return prepared;
  }

  async #resolve(index: number): Promise<Prepared> {
    const { session, dockerfile, plan } = this.#inputs;
    const stage = plan.stages.find((candidate) => candidate.index === index);
    if (stage === undefined) throw new Error(`stage ${index} is not in the plan`);
    const { base } = stage;
    const parent = base.kind === 'stage' ? (await this.#prepare(base.index)).resolved : undefined;
    const image =
      base.kind === 'image'
        ? await session.image(base.reference, base.platform ?? session.request.platform)
        : undefined;
    const author = parent?.author ?? image?.config.author;
    const resolved = resolveStage(stage, {
      base: {
        config: parent?.config ?? image?.config.config ?? {},
        args: parent?.args ?? new Map(),
        ...(author === undefined ? {} : { author }),
      },
      dockerfile,
      scope: plan.scope,
    });
    const start = { key: image === undefined ? keyOfBase(session, undefined) : keyOfImage(session, image) };
    return { stage, resolved, start: base.kind === 'stage' ? undefined : start };
  }
}

function unforeseeable(): Promise<Tree> {
  return Promise.reject(new Unforeseeable());
}

type FileStep = Exclude<Step, { kind: 'metadata' }>;

/** The stages whose files a step reads. */
function stagesRead(step: FileStep): number[] {
  const sources =
    step.kind === 'copy' || step.kind === 'add'
      ? [step.from]
      : step.kind === 'run'
        ? step.mounts.map((mount) => ('from' in mount ? mount.from : undefined))
        : [];
  return sources.flatMap((source) => (source?.kind === 'stage' ? [source.index] : []));
}
