import { baseKey, type CacheKey } from '../cache/cacheKey.ts';
import type { Fingerprint } from '../cache/fingerprint.ts';
import type { GuardedCache } from '../cache/guardCache.ts';
import type { CachedStep } from '../cache/layerCache.ts';
import type { Digest } from '../image/digest.ts';
import type { Image, Layer } from '../image/image.ts';
import type { FileSource, PlannedStage } from '../plan/step.ts';
import type { Tree } from '../tree/tree.ts';
import type { InputRecorder } from './inputRecorder.ts';
import type { BuildSession } from './session.ts';
import type { StepResults } from './stepResults.ts';

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
  readonly lookups: Map<CacheKey, Promise<FoundStep | undefined>>;
  readonly prints: Map<CacheKey, Promise<Fingerprint>>;
  /** By URL, what its server says stays the same as long as the file does. */
  readonly tags: Map<string, Promise<string | undefined>>;
  readonly recorder: InputRecorder;
  /** Layers that turned out to be broken. */
  readonly distrusted: ReadonlySet<Digest>;
  /** Told of every layer that came from a cache. */
  readonly onFound: (layer: Layer, cache: string) => void;
}

/** A step's result, and the name of the cache that had it. */
export interface FoundStep {
  readonly step: CachedStep;
  readonly cache: string;
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
  const { platform, ignorePaths = [] } = session.request;
  return baseKey(digest, { platform, latestTime: session.clock.latestTime, ignoredPaths: ignorePaths });
}

/** Without a digest its key would be that of an empty stage. */
export function keyOfImage(session: BuildSession, { digest }: Image): CacheKey {
  if (digest === undefined) throw new Error('an image that was not made here has a digest');
  return keyOfBase(session, digest);
}
