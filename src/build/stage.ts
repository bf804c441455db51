import { rmSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError } from '../errors.ts';
import type { StageLabel } from '../events.ts';
import type { HistoryEntry, ImageConfig } from '../image/config.ts';
import type { Image, Layer } from '../image/image.ts';
import type { ImageFormat } from '../image/mediaType.ts';
import { writeLayer } from '../layer/layerWriter.ts';
import type { FileSource, PlannedStage, ResolvedStage, Step } from '../plan/step.ts';
import type { Changes } from '../tree/change.ts';
import { diffTrees } from '../tree/diffTrees.ts';
import { LayerTree } from '../tree/layerTree.ts';
import type { Tree } from '../tree/tree.ts';
import type { AccountFiles } from '../tree/users.ts';
import { historyEntry, imageConfig } from './imageConfig.ts';
import { copyStep } from './instructions/copyStep.ts';
import { createDownloader } from './instructions/download.ts';
import { makeWorkdir } from './instructions/makeWorkdir.ts';
import { readAccounts } from './instructions/readAccounts.ts';
import { RunSteps, type RunStep } from './instructions/runSteps.ts';
import { workdirOwner } from './instructions/workdirOwner.ts';
import { localContents } from './localContents.ts';
import { resolveMounts } from './mounts/resolveMounts.ts';
import type { BuildSession } from './session.ts';

/** A stage's starting point: a base image, another stage, or nothing. */
export interface StageStart {
  readonly format: ImageFormat;
  /** Absent for scratch. */
  readonly config?: ImageConfig;
  readonly layers: readonly Layer[];
  readonly history: readonly HistoryEntry[];
  /** Merges the layers; called once, when the stage needs its files. */
  tree(): Promise<LayerTree>;
}

/** A finished stage. */
export interface StageResult {
  readonly image: Image;
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
  readonly source: (from: FileSource) => Promise<Tree>;
  /** Steps take a place each; one that waits for another stage has none. */
  readonly limit: Limit;
  /** Told of each layer as soon as it is in the store. */
  readonly onLayer: (layer: Layer) => void;
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
  #tree: Promise<LayerTree> | undefined;

  constructor(inputs: StageInputs) {
    const { stage, start, session } = inputs;
    this.#inputs = inputs;
    this.#label = { index: stage.index, ...(stage.name === undefined ? {} : { name: stage.name }) };
    this.#layers = [...start.layers];
    this.#history = [...start.history];
    this.#runs = new RunSteps(session, this.#label);
  }

  async result(): Promise<StageResult> {
    const { stage, resolved, session, start } = this.#inputs;
    const { steps } = resolved;
    const base = stage.from.image;
    const started = performance.now();
    session.emit({ kind: 'stage-started', stage: this.#label, base, steps: steps.length });
    const firstRun = steps.find((step) => step.kind === 'run');
    if (firstRun !== undefined) {
      session.log('info', `Unpacking rootfs as cmd ${firstRun.display} requires it.`);
      const { tree } = await placed(firstRun, () => this.#inputs.limit(() => this.#runs.prepare(this.#layers)));
      this.#tree = Promise.resolve(tree);
    }
    // By now they are on this disk if anything needs them there, so sending them ahead fetches nothing twice.
    const { baseIsNew, onLayer } = this.#inputs;
    if (baseIsNew && (firstRun !== undefined || steps.every((step) => step.kind === 'metadata'))) {
      for (const layer of start.layers) onLayer(layer);
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
      created: session.clock.created(),
      layers: this.#layers,
      history: this.#history,
    });
    return {
      image: { format: start.format, config, layers: this.#layers },
      resolved,
      tree: () => this.#files(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runs[Symbol.asyncDispose]();
  }

  #files(): Promise<LayerTree> {
    this.#tree ??= this.#inputs.start.tree();
    return this.#tree;
  }

  async #step(step: Step, number: number, mode: SnapshotMode, before: LayerTree | undefined): Promise<void> {
    const { session, resolved, limit } = this.#inputs;
    const source = await placed(step, () => this.#source(step));
    session.signal?.throwIfAborted();
    const event = { stage: this.#label, step: number, steps: resolved.steps.length, text: step.display };
    session.emit({ kind: 'step-started', ...event });
    const started = performance.now();
    const scratch = mkdtempSync(join(session.scratch, 'step-'));
    let layer: Layer | undefined;
    try {
      layer = await placed(step, () => limit(() => this.#execute(step, source, scratch, mode !== 'own-layer')));
      if (mode === 'single-layer' && before !== undefined) layer = await this.#squash(before, scratch);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
    if (step.createdBy !== '') {
      const author = resolved.author;
      this.#history.push(historyEntry(step.createdBy, session.clock.created(), layer !== undefined, author));
    }
    session.emit({
      kind: 'step-finished',
      ...event,
      milliseconds: performance.now() - started,
      cached: false,
      ...(layer === undefined ? {} : { layer: { digest: layer.descriptor.digest, size: layer.descriptor.size } }),
    });
  }

  /** Waits for the stages and images that a step reads. */
  async #source(step: Step): Promise<Tree | undefined> {
    const { source } = this.#inputs;
    const mounts = step.kind === 'run' ? step.mounts : [];
    for (const mount of mounts) if ('from' in mount && mount.from !== undefined) await source(mount.from);
    return step.kind === 'copy' || step.kind === 'add' ? source(step.from) : undefined;
  }

  /** The layer that the step adds to the image, if it does. */
  async #execute(step: Step, source: Tree | undefined, scratch: string, hidden: boolean): Promise<Layer | undefined> {
    if (step.kind === 'metadata') return undefined;
    const changes = await this.#changesOf(step, source, scratch);
    // COPY and ADD always give their layer; anything else only if it changed something.
    if (changes.length === 0 && step.kind !== 'copy' && step.kind !== 'add') return undefined;
    const layer = await this.#write(changes, scratch, hidden);
    if (step.kind !== 'run') this.#runs.add(changes, layer);
    return hidden ? undefined : layer;
  }

  async #changesOf(
    step: Exclude<Step, { kind: 'metadata' }>,
    source: Tree | undefined,
    scratch: string,
  ): Promise<Changes> {
    const { session } = this.#inputs;
    const { clock, readBlob, signal } = session;
    const tree = await this.#files();
    const accounts = (): ReturnType<typeof readAccounts> => readAccounts(tree, scratch, readBlob);
    switch (step.kind) {
      case 'workdir':
        return makeWorkdir(tree, step.path, await workdirOwner(step.user, accounts), clock.now());
      case 'copy':
      case 'add':
        return copyStep(step, {
          destination: tree,
          source: source ?? LayerTree.empty(),
          accounts,
          clock,
          scratch,
          readBlob,
          download: createDownloader(() => session.http(), signal),
        });
      case 'run':
        return this.#run(step, tree, await accounts(), scratch);
    }
  }

  async #run(step: RunStep, tree: LayerTree, accounts: AccountFiles, scratch: string): Promise<Changes> {
    const { session, source } = this.#inputs;
    await using mounts = await resolveMounts(step.mounts, { session, source, scratch });
    return await this.#runs.run(step, tree, accounts, mounts);
  }

  async #write(changes: Changes, scratch: string, hidden: boolean): Promise<Layer> {
    const { session, start, onLayer } = this.#inputs;
    using local = await localContents(changes, scratch, session.readBlob);
    const { layer, listing } = await writeLayer(local.changes, {
      store: session.store,
      format: start.format,
      ...(session.clock.latestTime === undefined ? {} : { latestTime: session.clock.latestTime }),
      ...(session.signal === undefined ? {} : { signal: session.signal }),
    });
    session.listings.put(layer, listing.encode());
    (await this.#files()).applyLayer(layer, listing);
    if (!hidden) {
      this.#layers.push(layer);
      onLayer(layer);
    }
    return layer;
  }

  /** `--single-snapshot`: everything since the stage began as one layer. */
  async #squash(before: LayerTree, scratch: string): Promise<Layer | undefined> {
    const changes = diffTrees(before, await this.#files());
    if (changes.length === 0) return undefined;
    const files = await this.#files();
    const layer = await this.#write(changes, scratch, false);
    this.#tree = Promise.resolve(files);
    return layer;
  }
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
