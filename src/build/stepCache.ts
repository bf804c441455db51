import { fromText } from '../byteString.ts';
import {
  baseKey,
  copyKey,
  hashKey,
  keyedEnv,
  runKey,
  workdirKey,
  type CacheKey,
  type CopyStep,
  type KeyField,
  type RunStep,
} from '../cache/cacheKey.ts';
import { fingerprint, type FileAttributes, type Fingerprint } from '../cache/fingerprint.ts';
import type { GuardedCache } from '../cache/guardCache.ts';
import { fileDigests, shortDigest } from '../cache/inputRecord.ts';
import type { CachedStep, StepToCache } from '../cache/layerCache.ts';
import { compilePatterns } from '../context/patternMatcher.ts';
import type { Digest } from '../image/digest.ts';
import type { Image, Layer } from '../image/image.ts';
import type { FileSource, PlannedStage, Step } from '../plan/step.ts';
import type { Entry } from '../tree/entry.ts';
import type { LayerListing } from '../tree/layerListing.ts';
import { resolvePath } from '../tree/resolve.ts';
import type { Tree } from '../tree/tree.ts';
import type { InputRecorder, StageRecorder } from './inputRecorder.ts';
import { parseChmod } from './instructions/chmod.ts';
import { findSources } from './instructions/copySources.ts';
import { urlFileName } from './instructions/download.ts';
import type { BuildSession } from './session.ts';
import type { Claim, StepResults } from './stepResults.ts';

/** The layer caches of a build, and which steps they are for. */
export interface StepCaching {
  /** Asked in this order. */
  readonly from: readonly GuardedCache[];
  /** Where the results of misses go. */
  readonly to: readonly GuardedCache[];
  readonly runLayers: boolean;
  /** COPY, ADD and WORKDIR. */
  readonly copyLayers: boolean;
  /** Entries older than this many milliseconds are misses. */
  readonly maxAge: number;
  /** Whether a stage's steps are executed whatever the caches have. */
  readonly isExecuted: (stage: PlannedStage) => boolean;
  readonly results: StepResults;
  /** What the caches answered, and what the context holds: asked and read once in a build. */
  readonly lookups: Map<CacheKey, Promise<CachedStep | undefined>>;
  readonly prints: Map<CacheKey, Promise<Fingerprint>>;
  readonly recorder: InputRecorder;
  /** Layers that turned out to be broken. */
  readonly distrusted: ReadonlySet<Digest>;
  /** Told of every layer that came from a cache. */
  readonly onFound: (layer: Layer, cache: string) => void;
}

/** What a step reads files from. */
export interface KeyedSource {
  tree(): Promise<Tree>;
  /** The last key, if it is a stage or an image. */
  readonly stageKey?: CacheKey;
  /** Whether a step of that stage was executed in this build: then its key says nothing of its content. */
  readonly executed?: boolean;
  /** It stays as it is while the build goes on. */
  readonly isContext?: boolean;
}

export type OpenSource = (from: FileSource) => Promise<KeyedSource>;

/** The key that a stage's first step continues, if it starts from an image or from nothing. */
export function keyOfBase(session: BuildSession, digest: Digest | undefined): CacheKey {
  return baseKey(digest, { platform: session.request.platform, latestTime: session.clock.latestTime });
}

/** Without a digest its key would be that of an empty stage. */
export function keyOfImage(session: BuildSession, { digest }: Image): CacheKey {
  if (digest === undefined) throw new Error('an image that was not made here has a digest');
  return keyOfBase(session, digest);
}

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

  /** Keeps what the step gave that was not found, while the build goes on. */
  keep({ layer, listing, created }: MadeStep): void {
    const entry = { continues: this.#key, created, executed: new Date().toISOString() };
    this.#put({
      entry: { ...entry, ...(layer === undefined ? {} : { layer: { ...layer.descriptor, diffId: layer.diffId } }) },
      ...(layer === undefined ? {} : { layer }),
      ...(listing === undefined ? {} : { listing }),
    });
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

  #put(step: StepToCache): void {
    for (const cache of this.#caching.to) {
      for (const key of this.#keep) this.#session.background(cache.put(key, step));
    }
  }

  async #runKey(step: RunStep, open: OpenSource): Promise<CacheKey> {
    const shown = await this.#shownByMounts(step, open);
    const prints = shown.map((print) => print?.digest ?? null);
    const inConfig = new Set((step.config.Env ?? []).map(nameOf));
    this.#recorder?.step(step.display, {
      // The same key without what is recorded by name.
      instruction: runKey('' as CacheKey, { ...step, env: [] }, []),
      variables: Object.fromEntries(
        keyedEnv(step).map((entry) => [
          `${inConfig.has(nameOf(entry)) ? 'ENV' : 'ARG'} ${nameOf(entry)}`,
          shortDigest(entry),
        ]),
      ),
      files: Object.assign(
        {},
        ...shown.map((print, index) => (print === undefined ? {} : fileDigests(print, `${targetOf(step, index)}: `))),
      ) as Record<string, string>,
    });
    return runKey(this.#key, step, prints);
  }

  /**
   * By the source stage's key first, for which nothing is read; then by content, so that a rebuilt but unchanged file hits. Both go on with
   * the key by content.
   */
  async #findCopy(step: CopyStep, source: KeyedSource, enabled: boolean): Promise<CachedStep | undefined> {
    const { stageKey } = source;
    const parent = this.#key;
    const byStage =
      stageKey === undefined
        ? undefined
        : copyKey(parent, step, { stage: stageKey, paths: step.sources.map((one) => ({ ...one })) });
    if (byStage !== undefined && source.executed !== true && enabled && this.#mayAsk) {
      const found = await this.#ask(byStage);
      if (found !== undefined) {
        this.#key = found.continues;
        this.#keep = [];
        this.#recorder?.step(step.display, { instruction: copyKey('' as CacheKey, step, null) });
        this.#recorder?.outcome('hit');
        return found;
      }
    }
    const contents: KeyField[] = [];
    const files: Record<string, string> = {};
    for (const one of step.sources) contents.push(await this.#sourceFields(step, one, source, files));
    this.#recorder?.step(step.display, { instruction: copyKey('' as CacheKey, step, null), files });
    const byContent = copyKey(parent, step, contents);
    return this.#lookUp(byStage === undefined ? [byContent] : [byContent, byStage], enabled);
  }

  async #sourceFields(
    step: CopyStep,
    source: CopyStep['sources'][number],
    from: KeyedSource,
    files: Record<string, string>,
  ): Promise<KeyField> {
    switch (source.kind) {
      case 'inline':
        files[source.name] = shortDigest(source.content);
        return { inline: source.name, content: source.content };
      case 'url': {
        // With a checksum nothing is downloaded to know what it is.
        const sha256 = step.checksum ?? `sha256:${(await this.#session.download(source.url, undefined)).sha256}`;
        files[source.url] = shortDigest(sha256);
        return { url: urlFileName(source.url), sha256 };
      }
      case 'path': {
        const print = await this.#print(from, copiedKey(step, source.path), (tree) =>
          this.#copied(step, source.path, tree),
        );
        Object.assign(files, fileDigests(print));
        return step.parents ? { files: print.digest, path: source.path } : { files: print.digest };
      }
    }
  }

  /** A fingerprint of files of a source; `what` tells it from others of the same source. */
  async #print(source: KeyedSource, what: CacheKey, print: (tree: Tree) => Promise<Fingerprint>): Promise<Fingerprint> {
    const { prints } = this.#caching;
    const known = source.isContext === true ? prints.get(what) : undefined;
    if (known !== undefined) return known;
    const tree = await source.tree();
    const made = this.#session.root.reading(() => print(tree));
    if (source.isContext === true) prints.set(what, made);
    return made;
  }

  #copied(step: CopyStep, path: string, tree: Tree): Promise<Fingerprint> {
    const matcher = step.exclude.length === 0 ? undefined : compilePatterns(step.exclude);
    const items = findSources(tree, path).map(({ node, name, path: found }) => {
      if (step.parents) return { node, name: found, path: found, withAncestors: true };
      // Of a directory the contents are copied, whatever it is called.
      return { node, name: tree.entry(node).type === 'directory' ? '' : name, path: found };
    });
    return fingerprint(tree, items, {
      readBlob: this.#session.readBlob,
      attributes: writtenAttributes(step),
      ...(matcher === undefined
        ? {}
        : {
            excludes: (inside, isDirectory) =>
              matcher.excludes(inside) && !(isDirectory && matcher.mayContainException(inside)),
          }),
    });
  }

  /** What bind mounts, and cache mounts that start from something, show: for each mount, in order. */
  async #shownByMounts(step: RunStep, open: OpenSource): Promise<(Fingerprint | undefined)[]> {
    const prints: (Fingerprint | undefined)[] = [];
    for (const mount of step.mounts) {
      if ((mount.type !== 'bind' && mount.type !== 'cache') || mount.from === undefined) {
        prints.push(undefined);
        continue;
      }
      const { readBlob } = this.#session;
      const print = (tree: Tree): Promise<Fingerprint> => {
        const { node, path } = resolvePath(tree, fromText(mount.source));
        return fingerprint(tree, node === undefined ? [] : [{ node, name: '', path }], { readBlob });
      };
      prints.push(await this.#print(await open(mount.from), hashKey('shown', mount.source), print));
    }
    return prints;
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
      return found;
    }
    this.#keep = enabled ? keys : [];
    if (!enabled) {
      this.#recorder?.outcome('not-cached');
      return undefined;
    }
    const claimed = this.#caching.results.claim(key);
    if ('settle' in claimed) this.#claim = claimed;
    const made = 'settle' in claimed || !this.#mayWait ? undefined : await claimed;
    const found = made ?? (this.#mayAsk ? await this.#ask(key) : undefined);
    if (found === undefined) {
      this.#reportMiss();
      this.#missed = true;
      return undefined;
    }
    this.#recorder?.outcome('hit');
    this.#settle(found);
    this.#keep = others;
    await this.#keepFound(found);
    return found;
  }

  #reportMiss(): void {
    if (!this.#mayRead || this.#missed) {
      this.#recorder?.outcome(this.#mayRead ? 'below-miss' : 'not-cached');
      return;
    }
    if (this.#recorder !== undefined) this.#session.background(this.#caching.recorder.explain(this.#recorder));
  }

  /** What was found by content is kept under the other keys too. */
  async #keepFound({ layer, listing, ...entry }: CachedStep): Promise<void> {
    if (this.#keep.length === 0 || this.#caching.to.length === 0) return;
    if (layer === undefined) {
      this.#put({ entry });
      return;
    }
    const known = await listing?.();
    if (known === undefined) return;
    this.#put({ entry: { ...entry, layer: { ...layer.descriptor, diffId: layer.diffId } }, layer, listing: known });
  }

  #ask(key: CacheKey): Promise<CachedStep | undefined> {
    const { lookups } = this.#caching;
    let lookup = lookups.get(key);
    if (lookup === undefined) lookups.set(key, (lookup = this.#askCaches(key)));
    return lookup;
  }

  async #askCaches(key: CacheKey): Promise<CachedStep | undefined> {
    const { from, maxAge, distrusted, onFound } = this.#caching;
    for (const cache of from) {
      const found = await cache.find(key);
      if (found === undefined || Date.now() - Date.parse(found.executed) >= maxAge) continue;
      if (found.layer === undefined) return found;
      if (distrusted.has(found.layer.descriptor.digest)) continue;
      onFound(found.layer, cache.name);
      return found;
    }
    return undefined;
  }
}

/** All that a fingerprint of copied files depends on, but the files. */
function copiedKey({ parents, exclude, chmod, chown }: CopyStep, path: string): CacheKey {
  return hashKey('copied', { path, parents, exclude, chmod: chmod ?? null, chown: chown !== undefined });
}

/** What a copy makes of mode and owner: what it sets anew does not count. */
function writtenAttributes(step: CopyStep): (entry: Entry) => FileAttributes {
  const chmod = step.chmod === undefined ? undefined : parseChmod(step.chmod);
  return ({ mode, uid, gid, type }) => ({
    mode: chmod === undefined || type === 'symlink' ? mode : chmod(mode, type === 'directory'),
    ...(step.chown === undefined ? { uid, gid } : { uid: 0, gid: 0 }),
  });
}

function nameOf(entry: string): string {
  return entry.slice(0, entry.indexOf('='));
}

function targetOf(step: RunStep, index: number): string {
  const mount = step.mounts[index];
  return mount !== undefined && 'target' in mount ? (mount.target ?? '') : '';
}
