import { rmSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { CacheKey } from '../cache/cacheKey.ts';
import type { CachedStep } from '../cache/layerCache.ts';
import { BuildError } from '../errors.ts';
import type { StageLabel } from '../events.ts';
import type { HistoryEntry, ImageConfig } from '../image/config.ts';
import type { Digest } from '../image/digest.ts';
import type { Image, Layer } from '../image/image.ts';
import type { ImageFormat } from '../image/mediaType.ts';
import { writeLayer, type WrittenLayer } from '../layer/layerWriter.ts';
import type { PlannedStage, ResolvedStage, Step } from '../plan/step.ts';
import type { Changes } from '../tree/change.ts';
import { diffTrees } from '../tree/diffTrees.ts';
import type { LayerTree } from '../tree/layerTree.ts';
import type { AccountFiles } from '../tree/users.ts';
import { historyEntry, imageConfig } from './imageConfig.ts';
import { copyStep } from './instructions/copyStep.ts';
import { makeWorkdir } from './instructions/makeWorkdir.ts';
import { accountReader } from './instructions/readAccounts.ts';
import { RunSteps, type RunStep } from './instructions/runSteps.ts';
import { workdirOwner } from './instructions/workdirOwner.ts';
import { localContents } from './localContents.ts';
import { resolveMounts } from './mounts/resolveMounts.ts';
import type { BuildSession } from './session.ts';
import { StageCache } from './stepCache.ts';
import type { OpenSource, StepCaching } from './stepCaching.ts';

/** A stage's starting point: a base image, another stage, or nothing. */
export interface StageStart {
  readonly format: ImageFormat;
  /** Absent for scratch. */
  readonly config?: ImageConfig;
  readonly layers: readonly Layer[];
  readonly history: readonly HistoryEntry[];
  /** Merges the layers; called once, when the stage needs its files. */
  tree(): Promise<LayerTree>;
  /** What the first step's key continues. */
  readonly key: CacheKey;
  /** Of the manifest, if it is an image. */
  readonly digest?: Digest;
  /** Whether a step of the stage it is built on was looked for in a cache and not found. */
  readonly missed?: boolean;
}

/** A finished stage. */
export interface StageResult {
  readonly image: Image;
  /** As in the image, but entries without a layer have no times yet. */
  readonly history: readonly HistoryEntry[];
  /** Of the last step. */
  readonly key: CacheKey;
  /** Whether a step was executed, and not found in a cache; false also if there was none. */
  readonly executed: boolean;
  /** Whether a step was looked for in a cache and not found. */
  readonly missed: boolean;
  readonly resolved: ResolvedStage;
  /** Its files, for stages that read them. */
  tree(): Promise<LayerTree>;
}

/** Runs a task when there is a free place for it. */
export type Limit = <T>(task: () => Promise<T>) => Promise<T>;

export interface StageInputs {
  readonly session: BuildSession;
  readonly stage: PlannedStage;
  readonly resolved: ResolvedStage;
  readonly start: StageStart;
  /** The files that a step reads from elsewhere. */
  readonly source: OpenSource;
  readonly caching: StepCaching | undefined;
  /** Steps take a place each; one that waits for another stage has none. */
  readonly limit: Limit;
  /** Told of each layer as soon as it is in the store. Gives the layer with where else it lies by then; never rejects. */
  readonly onLayer: (layer: Layer) => Promise<Layer>;
  /** Whether `onLayer` has not been told of the starting layers by another stage. */
  readonly baseIsNew: boolean;
}

/** Runs a stage's steps in order. An error says at which line. */
export async function runStage(inputs: StageInputs): Promise<StageResult> {
  await using run = new StageRun(inputs);
  return await run.result();
}

class StageRun implements AsyncDisposable {
  readonly #inputs: StageInputs;
  readonly #label: StageLabel;
  readonly #layers: Layer[];
  readonly #history: HistoryEntry[];
  readonly #runs: RunSteps;
  readonly #readAccounts: ReturnType<typeof accountReader>;
  readonly #cache: StageCache | undefined;
  /** Found in a cache and not yet in the tree. */
  readonly #unmerged: CachedStep[] = [];
  #executed = false;
  /** The last layer, on its way. */
  #sent: Promise<Layer> | undefined;
  #tree: Promise<LayerTree> | undefined;

  constructor(inputs: StageInputs) {
    const { stage, start, session } = inputs;
    this.#inputs = inputs;
    this.#label = { index: stage.index, ...(stage.name === undefined ? {} : { name: stage.name }) };
    this.#layers = [...start.layers];
    this.#history = [...start.history];
    this.#runs = new RunSteps(session, this.#label);
    this.#readAccounts = accountReader(session.readBlob);
    const { caching } = inputs;
    this.#cache = caching === undefined ? undefined : new StageCache(session, caching, stage, start);
  }

  async result(): Promise<StageResult> {
    const { stage, resolved, session, start } = this.#inputs;
    const { steps } = resolved;
    const base = stage.from.image;
    const started = performance.now();
    session.emit({ kind: 'stage-started', stage: this.#label, base, steps: steps.length });
    const firstRun = steps.find((step) => step.kind === 'run');
    // With a cache nobody knows yet whether it will be executed.
    if (firstRun !== undefined && this.#cache === undefined) {
      await placed(firstRun, () => this.#inputs.limit(() => this.#unpack(firstRun)));
    }
    // By now they are on this disk if anything needs them there, so sending them ahead fetches nothing twice.
    const { baseIsNew, onLayer } = this.#inputs;
    const isSettled = this.#runs.isPrepared || steps.every((step) => step.kind === 'metadata');
    if (baseIsNew && isSettled) {
      for (const layer of start.layers) void onLayer(layer);
    }
    const before = session.request.singleSnapshot ? (await this.#files()).clone() : undefined;
    for (const [index, step] of steps.entries()) {
      const last = index === steps.length - 1;
      await this.#step(
        step,
        index + 1,
        before === undefined ? 'own-layer' : last ? 'single-layer' : 'no-layer',
        before,
      );
    }
    session.emit({ kind: 'stage-finished', stage: this.#label, milliseconds: performance.now() - started });
    const config = imageConfig({
      ...(start.config === undefined ? {} : { base: start.config }),
      platform: session.request.platform,
      config: resolved.config,
      ...(resolved.author === undefined ? {} : { author: resolved.author }),
      now: session.clock.created(),
      layers: this.#layers,
      history: this.#history,
    });
    return {
      image: { format: start.format, config, layers: this.#layers },
      history: this.#history,
      key: this.#cache?.key ?? start.key,
      executed: this.#executed,
      missed: this.#cache?.missed ?? false,
      resolved,
      tree: () => this.#files(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cache?.abandon();
    await this.#runs[Symbol.asyncDispose]();
  }

  /** Other stages may ask at the same time. */
  #files(): Promise<LayerTree> {
    return (this.#tree = this.#merge(this.#tree ?? this.#inputs.start.tree()));
  }

  async #merge(below: Promise<LayerTree>): Promise<LayerTree> {
    const tree = await below;
    for (const { layer, listing } of this.#unmerged.splice(0)) {
      if (layer !== undefined) {
        tree.applyLayer(layer, (await listing?.()) ?? (await this.#inputs.session.listings.get(layer)));
      }
    }
    return tree;
  }

  /** Makes the layers so far real, for a command to run in. */
  async #unpack(step: Step): Promise<void> {
    if (this.#runs.isPrepared) return;
    this.#inputs.session.log('info', `Unpacking rootfs as cmd ${step.display} requires it.`);
    const tree = await this.#runs.prepare(this.#layers);
    if (tree === undefined || this.#tree !== undefined) return;
    this.#tree = Promise.resolve(tree);
    this.#unmerged.length = 0;
  }

  async #step(step: Step, number: number, mode: SnapshotMode, before: LayerTree | undefined): Promise<void> {
    const { session, resolved } = this.#inputs;
    await placed(step, () => this.#awaitSources(step));
    session.signal?.throwIfAborted();
    const event = { stage: this.#label, step: number, steps: resolved.steps.length, text: step.display };
    session.emit({ kind: 'step-started', ...event });
    const started = performance.now();
    // Holding nothing: it may wait for a stage that makes the same.
    const cached = await placed(step, () => this.#findCached(step));
    if (cached === undefined && step.kind === 'run') {
      await placed(step, () => this.#runs.hold(() => this.#awaitAllSources()));
    }
    const made = cached ?? (await this.#make(step, mode, before));
    if (step.createdBy !== '') {
      this.#history.push(historyEntry(step.createdBy, made.layer && made, resolved.author));
    }
    const { layer } = made;
    session.emit({
      kind: 'step-finished',
      ...event,
      milliseconds: performance.now() - started,
      cached: cached !== undefined,
      ...(layer === undefined ? {} : { layer: { digest: layer.descriptor.digest, size: layer.descriptor.size } }),
    });
  }

  async #findCached(step: Step): Promise<CachedStep | undefined> {
    if (this.#cache === undefined || step.kind === 'metadata') return undefined;
    const { session, source, onLayer } = this.#inputs;
    // Where commands run in place, a stage that has the machine waits for no other.
    const mayWait = !this.#runs.isPrepared || (await session.isolation()) === 'namespace';
    const found = await this.#cache.find(step, source, mayWait);
    if (found === undefined) {
      session.log('info', `No cached layer found for cmd ${step.display}`);
      return undefined;
    }
    session.log('info', `Using caching version of cmd: ${step.display}`);
    this.#unmerged.push(found);
    if (found.layer !== undefined) {
      this.#layers.push(found.layer);
      void onLayer(found.layer);
    }
    return found;
  }

  /** Executes a step. */
  async #make(step: Step, mode: SnapshotMode, before: LayerTree | undefined): Promise<Made> {
    const { session, limit } = this.#inputs;
    if (step.kind === 'metadata' && mode !== 'single-layer') return { layer: undefined, created: '' };
    const scratch = mkdtempSync(join(session.scratch, 'step-'));
    try {
      const execute = (): Promise<WrittenLayer | undefined> => this.#execute(step, scratch, mode !== 'own-layer');
      // A RUN in place has `/`, which nobody moves then.
      const task = step.kind === 'run' ? execute : () => session.root.reading(execute);
      const own = await placed(step, () => limit(task));
      const written = mode === 'single-layer' && before !== undefined ? await this.#squash(before, scratch) : own;
      const created = session.clock.created();
      if (step.kind !== 'metadata') this.#cache?.keep({ ...written, created }, written && this.#sent);
      return { layer: mode === 'no-layer' ? undefined : written?.layer, created };
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }

  /** Waits for the stages and images that a step reads. */
  async #awaitSources(step: Step): Promise<void> {
    const { source } = this.#inputs;
    if (step.kind === 'copy' || step.kind === 'add') await source(step.from);
    const mounts = step.kind === 'run' ? step.mounts : [];
    for (const mount of mounts) if ('from' in mount && mount.from !== undefined) await source(mount.from);
  }

  /** Also of the steps that are still to come: who has `/` may not wait for somebody who needs it. */
  async #awaitAllSources(): Promise<void> {
    for (const step of this.#inputs.resolved.steps) await this.#awaitSources(step);
  }

  /** The layer that the step makes, if it does. */
  async #execute(step: Step, scratch: string, hidden: boolean): Promise<WrittenLayer | undefined> {
    if (step.kind === 'metadata') return undefined;
    this.#executed = true;
    const changes = await this.#changesOf(step, scratch);
    // COPY and ADD always give their layer; anything else only if it changed something.
    if (changes.length === 0 && step.kind !== 'copy' && step.kind !== 'add') return undefined;
    const written = await this.#write(changes, scratch, hidden);
    if (step.kind !== 'run') this.#runs.add(changes, written.layer);
    return written;
  }

  async #changesOf(step: Exclude<Step, { kind: 'metadata' }>, scratch: string): Promise<Changes> {
    const { session, source } = this.#inputs;
    const { clock, readBlob, download } = session;
    if (step.kind === 'run') await this.#unpack(step);
    const tree = await this.#files();
    const accounts = (): Promise<AccountFiles> => this.#readAccounts(tree, scratch);
    switch (step.kind) {
      case 'workdir':
        return makeWorkdir(tree, step.path, await workdirOwner(step.user, accounts), clock.now());
      case 'copy':
      case 'add':
        return copyStep(step, {
          destination: tree,
          source: await (await source(step.from)).tree(),
          accounts,
          clock,
          scratch,
          readBlob,
          download,
        });
      case 'run':
        return this.#run(step, tree, await accounts(), scratch);
    }
  }

  async #run(step: RunStep, tree: LayerTree, accounts: AccountFiles, scratch: string): Promise<Changes> {
    const { session, source } = this.#inputs;
    await using mounts = await resolveMounts(step.mounts, {
      session,
      source: async (from) => (await source(from)).tree(),
      scratch,
    });
    return await this.#runs.run(step, tree, accounts, mounts);
  }

  async #write(changes: Changes, scratch: string, hidden: boolean): Promise<WrittenLayer> {
    const { session, start, onLayer } = this.#inputs;
    using local = await localContents(changes, scratch, session.readBlob);
    const written = await writeLayer(local.changes, {
      store: session.store,
      format: start.format,
      ...(session.clock.latestTime === undefined ? {} : { latestTime: session.clock.latestTime }),
      ...(session.signal === undefined ? {} : { signal: session.signal }),
    });
    const { layer, listing } = written;
    session.listings.put(layer, listing.encode());
    (await this.#files()).applyLayer(layer, listing);
    if (!hidden) {
      this.#layers.push(layer);
      this.#sent = onLayer(layer);
    }
    return written;
  }

  /** `--single-snapshot`: everything since the stage began as one layer. */
  async #squash(before: LayerTree, scratch: string): Promise<WrittenLayer | undefined> {
    const changes = diffTrees(before, await this.#files());
    return changes.length === 0 ? undefined : this.#write(changes, scratch, false);
  }
}

/** What a step gave. */
interface Made {
  readonly layer?: Layer | undefined;
  readonly created: string;
}

/** Says of an error at which line it happened. */
async function placed<T>(step: Step, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    throw error instanceof BuildError ? error.at(step.instruction.location) : error;
  }
}

type SnapshotMode = 'own-layer' | 'no-layer' | 'single-layer';
