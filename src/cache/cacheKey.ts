// What a step's result depends on, as one digest. docs/cache.md states the law; nothing else decides about hits.
import { createHash } from 'node:crypto';
import type { Digest } from '../image/digest.ts';
import type { Platform } from '../image/platform.ts';
import type { RunMount, Step } from '../plan/step.ts';

declare const cacheKey: unique symbol;

/** 64 hexadecimal digits. */
export type CacheKey = string & { readonly [cacheKey]: 'CacheKey' };

/** Raised whenever a key comes to mean something else, or the bytes of layers change for the same input. */
const VERSION = 1;

/** What a key is made of. Every value is hashed with its type and length, so no two values look alike. */
export type KeyField = string | number | boolean | null | readonly KeyField[] | { readonly [name: string]: KeyField };

export function hashKey(kind: string, fields: KeyField): CacheKey {
  const hash = createHash('sha256');
  const add = (field: KeyField): void => {
    if (field === null) hash.update('0;');
    else if (typeof field === 'boolean') hash.update(field ? 'T;' : 'F;');
    else if (typeof field === 'number') hash.update(`n${field};`);
    else if (typeof field === 'string') {
      const bytes = Buffer.from(field, 'utf8');
      hash.update(`s${bytes.length}:`).update(bytes);
    } else if (isList(field)) {
      hash.update(`l${field.length}:`);
      for (const item of field) add(item);
    } else {
      const entries = Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1));
      hash.update(`m${entries.length}:`);
      for (const [name, value] of entries) {
        add(name);
        add(value);
      }
    }
  };
  add([VERSION, kind, fields]);
  return hash.digest('hex') as CacheKey;
}

function isList(field: KeyField): field is readonly KeyField[] {
  return Array.isArray(field);
}

/** What changes layer bytes of every step alike. */
export interface KeyScope {
  readonly platform: Platform;
  /** Of `SOURCE_DATE_EPOCH` or `--reproducible`, in seconds. */
  readonly latestTime: number | undefined;
  /** Paths that layers leave out. Default: none. */
  readonly ignoredPaths?: readonly string[];
}

/** The key that a stage's first step continues: its base image's manifest, or nothing. */
export function baseKey(digest: Digest | undefined, { platform, latestTime, ignoredPaths = [] }: KeyScope): CacheKey {
  const { os, architecture, variant } = platform;
  return hashKey('base', {
    digest: digest ?? null,
    platform: [os, architecture, variant ?? ''],
    latestTime: latestTime ?? null,
    ...(ignoredPaths.length === 0 ? {} : { ignoredPaths }),
  });
}

export type RunStep = Extract<Step, { kind: 'run' }>;
export type CopyStep = Extract<Step, { kind: 'copy' | 'add' }>;

/**
 * RUN: the command, whom and where it runs as, the environment it sees without proxies, its mounts. Secrets and agents count by name, never
 * by value; what a mount shows of a stage, an image or the context counts by content: `shown`, for each mount in order, null if it shows
 * nothing.
 */
export function runKey(parent: CacheKey, step: RunStep, shown: readonly (string | null)[]): CacheKey {
  return hashKey('run', {
    parent,
    argv: step.argv,
    script: step.script === undefined ? null : { ...step.script },
    env: keyedEnv(step),
    user: step.user,
    workingDirectory: step.workingDirectory,
    network: step.network,
    mounts: step.mounts.map((mount, index) => [mountFields(mount), shown[index] ?? null]),
  });
}

/** The environment in order, without what must not reach a key. */
export function keyedEnv({ env, uncachedEnv }: RunStep): readonly string[] {
  const uncached = new Set(uncachedEnv);
  return env.filter((entry) => !uncached.has(entry));
}

/** WORKDIR: the path and whose it is. */
export function workdirKey(parent: CacheKey, path: string, user: string): CacheKey {
  return hashKey('workdir', { parent, path, user });
}

/** COPY and ADD: how and whereto, and `source`, which stands for all that is copied. */
export function copyKey(parent: CacheKey, step: CopyStep, source: KeyField): CacheKey {
  return hashKey('copy', {
    parent,
    kind: step.kind,
    source,
    destination: step.destination,
    chown: step.chown ?? null,
    chmod: step.chmod ?? null,
    link: step.link,
    parents: step.parents,
    exclude: step.exclude,
    unpack: step.unpack ?? null,
    checksum: step.checksum ?? null,
  });
}

function mountFields(mount: RunMount): KeyField {
  const { type } = mount;
  switch (type) {
    case 'bind':
      return { type, target: mount.target, readOnly: mount.readOnly };
    case 'cache': {
      const { target, id, sharing, source, mode, uid, gid, readOnly } = mount;
      return { type, target, id, sharing, source, mode, uid, gid, readOnly };
    }
    case 'tmpfs':
      return { type, target: mount.target, size: mount.size ?? null };
    case 'secret':
    case 'ssh': {
      const { id, required, mode, uid, gid } = mount;
      const env = type === 'secret' ? (mount.env ?? null) : null;
      return { type, id, target: mount.target ?? null, env, required, mode, uid, gid };
    }
  }
}
