import {
  copyKey,
  hashKey,
  keyedEnv,
  runKey,
  workdirKey,
  type CacheKey,
  type CopyStep,
  type RunStep,
} from '../cache/cacheKey.ts';
import type { CacheEntry } from '../cache/cacheEntry.ts';
import { fileDigests, shortDigest } from '../cache/inputRecord.ts';
import type { CachedStep, StepToCache } from '../cache/layerCache.ts';
import type { Digest } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';
import type { PlannedStage, Step } from '../plan/step.ts';
import type { LayerListing } from '../tree/layerListing.ts';
import type { StageRecorder } from './inputRecorder.ts';
import type { BuildSession } from './session.ts';
import { SourcePrints, type SourcePrint } from './sourcePrints.ts';
import type { FoundStep, KeyedSource, OpenSource, StepCaching } from './stepCaching.ts';
import type { Claim } from './stepResults.ts';

/** A step that may have a layer. */
type FileStep = Exclude<Step, { kind: 'metadata' }>;

/** The result of executing a step. */
export interface MadeStep {
  /** Absent if it changed nothing. */
  readonly layer?: Layer;
  readonly listing?: LayerListing;
  readonly created: string;
}

/**
 * What the keys are for: to execute what is missing; to look what is there, and change nothing; or to know the last key, and ask only where
 * there is no other way.
 */
type Purpose = 'build' | 'look' | 'key';

/** Where a stage's keys begin. */
export interface KeyStart {
  readonly key: CacheKey;
  /** Of the base image's manifest. */
  readonly digest?: Digest;
  /** Whether a step of the stage it is built on was looked for and not found. */
  readonly missed?: boolean;
}

/** The keys of one stage's steps, in order, and what the caches have for them. docs/cache.md has the law. */
export class StageCache {
  readonly #session: BuildSession;
  readonly #caching: StepCaching;
  readonly #purpose: Purpose;
  readonly #prints: SourcePrints;
  /** Only of a build. */
  readonly #recorder: StageRecorder | undefined;
  readonly #mayRead: boolean;
  /** After the last step. */
  #key: CacheKey;
  /** Keys under which the step under way is to be kept; none if its kind is not cached. */
  #keep: readonly CacheKey[] = [];
  /** Of the step under way, while others may wait for it. */
  #claim: Claim | undefined;
  #mayWait = true;
  /** No step below a miss can be in a cache. */
  #missed: boolean;

  constructor(
    session: BuildSession,
    caching: StepCaching,
    stage: PlannedStage,
    { key, digest, missed }: KeyStart,
    purpose: Purpose = 'build',
  ) {
    this.#session = session;
    this.#caching = caching;
    this.#purpose = purpose;
    this.#prints = new SourcePrints(session, caching);
    this.#mayRead = !caching.isExecuted(stage);
    this.#key = key;
    this.#missed = missed === true;
    this.#recorder = purpose === 'build' ? caching.recorder.stage(stage, key, digest) : undefined;
  }

  get key(): CacheKey {
    return this.#key;
  }

  /** Whether a step was looked for and not found. */
  get missed(): boolean {
    return this.#missed;
  }

  /**
   * The result of a step that changes files, if a cache or another stage of this build has it. If not, the step is executed and then given to
   * `keep`.
   * @param mayWait for a stage that is executing the same
   */
  async find(step: FileStep, open: OpenSource, mayWait: boolean): Promise<CachedStep | undefined> {
    const { runLayers, copyLayers } = this.#caching;
    this.#mayWait = mayWait;
    switch (step.kind) {
      case 'workdir':
        this.#recorder?.step(step.display, { instruction: hashKey('workdir', [step.path, step.user]) });
        return this.#lookUp([workdirKey(this.#key, step.path, step.user)], copyLayers);
      case 'run':
        return this.#lookUp([await this.#runKey(step, open)], runLayers);
      case 'copy':
      case 'add':
        return this.#findCopy(step, await open(step.from), copyLayers);
    }
  }

  /**
   * Keeps what the step gave that was not found, while the build goes on.
   * @param sent the layer once it is where else it goes: a registry that has it need not get it twice
   */
  keep({ layer, listing, created }: MadeStep, sent: Promise<Layer> | undefined): void {
    const entry = { continues: this.#key, created, executed: new Date().toISOString() };
    const kept = toKeep(entry, layer, listing);
    const keys = this.#keep;
    for (const cache of this.#caching.to) {
      for (const key of keys) {
        const put = async (): Promise<void> => {
          await cache.put(key, { ...kept, ...(sent === undefined ? {} : { layer: await sent }) });
        };
        this.#session.background(put());
      }
    }
    const { listings } = this.#session;
    this.#settle({ ...entry, ...(layer === undefined ? {} : { layer, listing: () => listings.get(layer) }) });
  }

  /** Lets go of whoever waits for a step of this stage: there is no result to come. */
  abandon(): void {
    this.#settle(undefined);
  }

  #settle(result: CachedStep | undefined): void {
    this.#claim?.settle(result);
    this.#claim = undefined;
  }

  async #runKey(step: RunStep, open: OpenSource): Promise<CacheKey> {
    const shown = await this.#prints.shown(step, open);
    const inConfig = new Set((step.config.Env ?? []).map(nameOf));
    const variables = keyedEnv(step).map((entry): [string, string] => [
      `${inConfig.has(nameOf(entry)) ? 'ENV' : 'ARG'} ${nameOf(entry)}`,
      shortDigest(entry),
    ]);
    const files = shown.map((print, index) =>
      print === undefined ? {} : fileDigests(print, `${targetOf(step, index)}: `),
    );
    this.#recorder?.step(step.display, {
      // The same key without what is recorded by name.
      instruction: runKey('' as CacheKey, { ...step, env: [] }, []),
      variables: Object.fromEntries(variables),
      files: Object.assign({}, ...files) as Record<string, string>,
    });
    return runKey(
      this.#key,
      step,
      shown.map((print) => print?.digest ?? null),
    );
  }

  /**
   * First by what stands for the content without reading it, then by content, so that a rebuilt but unchanged file hits. Both go on with the
   * key by content.
   */
  async #findCopy(step: CopyStep, source: KeyedSource, enabled: boolean): Promise<CachedStep | undefined> {
    const instruction = copyKey('' as CacheKey, step, null);
    const parent = this.#key;
    const mayFind = enabled && this.#mayAsk && source.executed !== true;
    const unread = enabled ? await this.#unreadKey(step, source) : undefined;
    const found = unread === undefined || !mayFind ? undefined : await this.#ask(unread);
    if (unread !== undefined && found !== undefined) {
      this.#key = found.step.continues;
      this.#recorder?.step(step.display, { instruction });
      this.#recorder?.outcome('hit');
      await this.#spread(found, [unread, this.#key], []);
      return found.step;
    }
    const prints: SourcePrint[] = [];
    for (const one of step.sources) prints.push(await this.#prints.copied(step, one, source));
    const files = Object.assign({}, ...prints.map((print) => print.files)) as Record<string, string>;
    this.#recorder?.step(step.display, { instruction, files });
    const byContent = copyKey(
      parent,
      step,
      prints.map(({ field }) => field),
    );
    return this.#lookUp(unread === undefined ? [byContent] : [byContent, unread], enabled);
  }

  /** The key by the source stage's or image's, or by the tags of URLs, if there is such a thing. */
  async #unreadKey(step: CopyStep, { stageKey, isContext }: KeyedSource): Promise<CacheKey | undefined> {
    const { sources } = step;
    if (stageKey !== undefined) {
      return copyKey(this.#key, step, { stage: stageKey, sources: JSON.stringify(sources) });
    }
    if (isContext !== true || sources.some(({ kind }) => kind === 'path')) return undefined;
    const urls = sources.filter((source) => source.kind === 'url');
    const tags = await Promise.all(urls.map(({ url }) => this.#prints.tag(step, url)));
    const known = tags.filter((tag) => tag !== undefined);
    if (urls.length === 0 || known.length < tags.length) return undefined;
    return copyKey(this.#key, step, { tags: known, sources: JSON.stringify(sources) });
  }

  get #mayAsk(): boolean {
    return this.#mayRead && !this.#missed;
  }

  /** Looks for the first of the keys, and goes on with it. */
  async #lookUp(keys: readonly [CacheKey, ...CacheKey[]], enabled: boolean): Promise<CachedStep | undefined> {
    const [key, ...others] = keys;
    this.#key = key;
    if (this.#purpose !== 'build') {
      if (!enabled || this.#purpose === 'key') return undefined;
      const found = this.#mayAsk ? await this.#ask(key) : undefined;
      this.#missed = found === undefined;
      return found?.step;
    }
    this.#keep = enabled ? keys : [];
    if (!enabled) {
      this.#recorder?.outcome('not-cached');
      return undefined;
    }
    const claimed = this.#caching.results.claim(key);
    if ('settle' in claimed) this.#claim = claimed;
    const made = 'settle' in claimed || !this.#mayWait ? undefined : await claimed;
    const found = made === undefined && this.#mayAsk ? await this.#ask(key) : undefined;
    const result = made ?? found?.step;
    if (result === undefined) {
      this.#reportMiss();
      this.#missed = true;
      return undefined;
    }
    this.#recorder?.outcome('hit');
    this.#settle(result);
    await this.#spread({ step: result, cache: found?.cache }, keys, others);
    return result;
  }

  #reportMiss(): void {
    if (!this.#mayRead || this.#missed) {
      this.#recorder?.outcome(this.#mayRead ? 'below-miss' : 'not-cached');
      return;
    }
    if (this.#recorder !== undefined) this.#session.background(this.#caching.recorder.explain(this.#recorder));
  }

  /** Keeps what was found in one cache in the others too, and there under keys that it was not found by. */
  async #spread(
    { step, cache: origin }: { readonly step: CachedStep; readonly cache: string | undefined },
    keys: readonly CacheKey[],
    others: readonly CacheKey[],
  ): Promise<void> {
    if (this.#purpose !== 'build') return;
    const { layer, listing, ...entry } = step;
    const missing = this.#caching.to.flatMap((cache) => {
      // What another stage of this build made is kept by that one.
      const wanted = origin === undefined || cache.name === origin ? others : keys;
      return wanted.map((key) => ({ cache, key }));
    });
    if (missing.length === 0) return;
    const known = await listing?.();
    if (layer !== undefined && known === undefined) return;
    const kept = toKeep(entry, layer, known);
    for (const { cache, key } of missing) this.#session.background(cache.put(key, kept));
  }

  #ask(key: CacheKey): Promise<FoundStep | undefined> {
    const { lookups } = this.#caching;
    let lookup = lookups.get(key);
    if (lookup === undefined) lookups.set(key, (lookup = this.#askCaches(key)));
    return lookup;
  }

  async #askCaches(key: CacheKey): Promise<FoundStep | undefined> {
    const { from, maxAge, distrusted, onFound } = this.#caching;
    for (const cache of from) {
      const { name } = cache;
      const step = await cache.find(key);
      if (step === undefined || Date.now() - Date.parse(step.executed) >= maxAge) continue;
      if (step.layer !== undefined && distrusted.has(step.layer.descriptor.digest)) continue;
      if (step.layer !== undefined) onFound(step.layer, name);
      return { step, cache: name };
    }
    return undefined;
  }
}

function toKeep(
  entry: Omit<CacheEntry, 'layer'>,
  layer: Layer | undefined,
  listing: LayerListing | undefined,
): StepToCache {
  return {
    entry: { ...entry, ...(layer === undefined ? {} : { layer: { ...layer.descriptor, diffId: layer.diffId } }) },
    ...(layer === undefined ? {} : { layer }),
    ...(listing === undefined ? {} : { listing }),
  };
}

function nameOf(entry: string): string {
  return entry.slice(0, entry.indexOf('='));
}

function targetOf(step: RunStep, index: number): string {
  const mount = step.mounts[index];
  return mount !== undefined && 'target' in mount ? (mount.target ?? '') : '';
}
