import { fromText } from '../byteString.ts';
import {
  baseKey,
  copyKey,
  runKey,
  workdirKey,
  type CacheKey,
  type CopyStep,
  type KeyField,
} from '../cache/cacheKey.ts';
import { fingerprint } from '../cache/fingerprint.ts';
import type { CachedStep, LayerCache, StepToCache } from '../cache/layerCache.ts';
import { compilePatterns } from '../context/patternMatcher.ts';
import { messageOf } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import type { FileSource, Step } from '../plan/step.ts';
import { resolvePath } from '../tree/resolve.ts';
import type { Tree } from '../tree/tree.ts';
import { findSources } from './instructions/copySources.ts';
import type { BuildSession } from './session.ts';

/** The layer caches of a build, and which steps they are for. */
export interface StepCaching {
  /** Asked in this order. */
  readonly from: readonly LayerCache[];
  /** Where the results of misses go. */
  readonly to: LayerCache | undefined;
  readonly runLayers: boolean;
  /** COPY, ADD and WORKDIR. */
  readonly copyLayers: boolean;
  /** Entries older than this many milliseconds are misses. */
  readonly maxAge: number;
}

/** What a step reads files from. */
export interface KeyedSource {
  tree(): Promise<Tree>;
  /** The last key, if it is a stage. */
  readonly stageKey?: CacheKey;
  /** Whether a step of that stage was executed in this build: then its key says nothing of its content. */
  readonly executed?: boolean;
}

export type OpenSource = (from: FileSource) => Promise<KeyedSource>;

/** The key that a stage's first step continues, if it starts from an image. */
export function keyOfBase(session: BuildSession, digest: Digest | undefined): CacheKey {
  return baseKey(digest, { platform: session.request.platform, latestTime: session.clock.latestTime });
}

/** The keys of one stage's steps, in order, and what the caches have for them. docs/cache.md has the law. */
export class StageCache {
  readonly #session: BuildSession;
  readonly #caching: StepCaching;
  /** After the last step. */
  #key: CacheKey;
  /** Keys under which the step under way is to be kept; none if its kind is not cached. */
  #keep: readonly CacheKey[] = [];
  /** No step below a miss can be in a cache. */
  #missed = false;

  constructor(session: BuildSession, caching: StepCaching, key: CacheKey) {
    this.#session = session;
    this.#caching = caching;
    this.#key = key;
  }

  get key(): CacheKey {
    return this.#key;
  }

  /** The result of a step that changes files, if a cache has it. If not, the step is executed and then given to `keep`. */
  async find(step: Exclude<Step, { kind: 'metadata' }>, open: OpenSource): Promise<CachedStep | undefined> {
    const { runLayers, copyLayers } = this.#caching;
    switch (step.kind) {
      case 'workdir':
        return this.#lookUp([workdirKey(this.#key, step.path, step.user)], copyLayers);
      case 'run':
        return this.#lookUp([runKey(this.#key, step, await this.#mounted(step, open))], runLayers);
      case 'copy':
      case 'add':
        return this.#findCopy(step, await open(step.from), copyLayers);
    }
  }

  /** Keeps what the step gave that was not found, while the build goes on. A failure is a warning. */
  keep(step: Omit<StepToCache, 'entry'> & { readonly created: string }): void {
    const { layer, listing, created } = step;
    const recorded = layer === undefined ? {} : { layer: { ...layer.descriptor, diffId: layer.diffId } };
    this.#put({
      entry: { continues: this.#key, created, ...recorded },
      ...(layer === undefined ? {} : { layer }),
      ...(listing === undefined ? {} : { listing }),
    });
  }

  #put(step: StepToCache): void {
    const { to } = this.#caching;
    if (to === undefined) return;
    for (const key of this.#keep) {
      const stored = to.put(key, step).catch((error: unknown) => {
        this.#session.log('warn', `Error uploading layer to cache ${to.name}: ${messageOf(error)}`);
      });
      this.#session.background(stored);
    }
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
        : copyKey(parent, step, { stage: stageKey, paths: step.sources.map(pathFields) });
    if (byStage !== undefined && source.executed !== true && enabled && !this.#missed) {
      const found = await this.#ask(byStage);
      if (found !== undefined) {
        this.#key = found.continues;
        return found;
      }
    }
    const tree = await source.tree();
    const contents: KeyField[] = [];
    for (const one of step.sources) contents.push(await this.#sourceFields(step, one, tree));
    const byContent = copyKey(parent, step, contents);
    return this.#lookUp(byStage === undefined ? [byContent] : [byContent, byStage], enabled);
  }

  async #sourceFields(step: CopyStep, source: CopyStep['sources'][number], tree: Tree): Promise<KeyField> {
    if (source.kind === 'inline') return { inline: source.name, content: source.content };
    if (source.kind === 'url') {
      const { name, sha256, mtime } = await this.#session.download(source.url, step.checksum);
      return { url: name, sha256, mtime: mtime.seconds };
    }
    const matcher = step.exclude.length === 0 ? undefined : compilePatterns(step.exclude);
    const items = findSources(tree, source.path);
    const files = await fingerprint(
      tree,
      items.map(({ node, name, path }) => ({ node, name: step.parents ? path : name })),
      {
        readBlob: this.#session.readBlob,
        ...(matcher === undefined
          ? {}
          : {
              excludes: (path, isDirectory) =>
                matcher.excludes(path) && !(isDirectory && matcher.mayContainException(path)),
            }),
      },
    );
    return step.parents ? { files, path: source.path } : { files };
  }

  /** What bind mounts, and cache mounts that start from something, show: by content. */
  async #mounted(step: Extract<Step, { kind: 'run' }>, open: OpenSource): Promise<string[]> {
    const prints: string[] = [];
    for (const mount of step.mounts) {
      if (mount.type !== 'bind' && mount.type !== 'cache') continue;
      if (mount.from === undefined) continue;
      const tree = await (await open(mount.from)).tree();
      const { node } = resolvePath(tree, fromText(mount.source));
      const nodes = node === undefined ? [] : [{ node, name: '' }];
      prints.push(await fingerprint(tree, nodes, { readBlob: this.#session.readBlob }));
    }
    return prints;
  }

  /** Looks for the first of the keys, and goes on with it. */
  async #lookUp(keys: readonly [CacheKey, ...CacheKey[]], enabled: boolean): Promise<CachedStep | undefined> {
    const [key, ...others] = keys;
    this.#key = key;
    this.#keep = enabled ? keys : [];
    if (!enabled) return undefined;
    const found = this.#missed ? undefined : await this.#ask(key);
    if (found === undefined) {
      this.#missed = true;
      return undefined;
    }
    this.#keep = others;
    const { layer } = found;
    const listing = others.length === 0 ? undefined : await found.listing?.();
    if (layer === undefined || listing !== undefined) {
      this.keep({
        created: found.created,
        ...(layer === undefined ? {} : { layer }),
        ...(listing === undefined ? {} : { listing }),
      });
    }
    return found;
  }

  async #ask(key: CacheKey): Promise<CachedStep | undefined> {
    for (const cache of this.#caching.from) {
      const found = await cache.find(key);
      if (found !== undefined && Date.now() - Date.parse(found.created) < this.#caching.maxAge) return found;
    }
    return undefined;
  }
}

function pathFields(source: CopyStep['sources'][number]): KeyField {
  return { ...source };
}
