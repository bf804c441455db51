import * as v from 'valibot';
import { BuildError, messageOf } from '../errors.ts';
import { isDigest, type Digest } from '../image/digest.ts';
import type { CacheKey } from './cacheKey.ts';

/** What a step gave, without its bytes. */
export interface CacheEntry {
  /** The key by content that later steps continue. */
  readonly continues: CacheKey;
  /** RFC 3339: what the history says of the step; with fixed times that is not when it was executed. */
  readonly created: string;
  /** RFC 3339: when the step was executed, by the clock of that machine. */
  readonly executed: string;
  /** Absent if the step changed nothing. */
  readonly layer?: {
    readonly mediaType: string;
    readonly digest: Digest;
    readonly size: number;
    readonly diffId: Digest;
  };
}

const digest = v.custom<Digest>((value) => typeof value === 'string' && isDigest(value));
const schema = v.object({
  kasaneCacheEntry: v.literal(1),
  continues: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  created: v.pipe(v.string(), v.isoTimestamp()),
  executed: v.pipe(v.string(), v.isoTimestamp()),
  layer: v.optional(
    v.object({
      mediaType: v.string(),
      digest,
      size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
      diffId: digest,
    }),
  ),
});

export function encodeEntry(entry: CacheEntry): Buffer {
  return Buffer.from(JSON.stringify({ kasaneCacheEntry: 1, ...entry }));
}

/** @throws BuildError `CACHE_ENTRY_INVALID` */
export function decodeEntry(bytes: Uint8Array): CacheEntry {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new BuildError('CACHE_ENTRY_INVALID', `an entry is not JSON: ${messageOf(error)}`, { cause: error });
  }
  const parsed = v.safeParse(schema, value);
  if (!parsed.success) throw new BuildError('CACHE_ENTRY_INVALID', 'an entry is not one of kasane');
  const { continues, created, executed, layer } = parsed.output;
  return { continues: continues as CacheKey, created, executed, ...(layer === undefined ? {} : { layer }) };
}
