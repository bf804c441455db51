// What a build's keys were made of, kept for the next build to compare with: why did it miss? No values of variables and no contents,
// only their digests.
import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as v from 'valibot';
import { BuildError, messageOf } from '../errors.ts';
import { toText } from '../byteString.ts';
import type { Fingerprint } from './fingerprint.ts';

const named = v.record(v.string(), v.string());
const step = v.object({
  /** As the log shows it. */
  text: v.string(),
  /** A digest of what is in the other fields not. */
  instruction: v.string(),
  /** RUN: `ARG NAME` or `ENV NAME` to a digest of the value. */
  variables: v.optional(named),
  /** What is copied or mounted: paths and URLs to digests. */
  files: v.optional(named),
  outcome: v.picklist(['hit', 'miss', 'below-miss', 'not-cached']),
  /** Why it was a miss. */
  reason: v.optional(v.string()),
});
const stage = v.object({
  name: v.string(),
  /** As in FROM. */
  base: v.string(),
  /** Of the base's manifest, if it is an image. */
  baseDigest: v.optional(v.string()),
  /** What the first step's key continues. */
  baseKey: v.string(),
  steps: v.array(step),
});
const schema = v.object({ kasaneInputs: v.literal(1), built: v.string(), stages: v.array(stage) });

export type StepOutcome = 'hit' | 'miss' | 'below-miss' | 'not-cached';
export type StepInputs = v.InferOutput<typeof step>;
export type StageInputs = v.InferOutput<typeof stage>;
export type InputRecord = Omit<v.InferOutput<typeof schema>, 'kasaneInputs'>;

export function encodeRecord(record: InputRecord): Buffer {
  return gzipSync(JSON.stringify({ kasaneInputs: 1, ...record }));
}

/** @throws BuildError `CACHE_RECORD_INVALID` */
export function decodeRecord(bytes: Uint8Array): InputRecord {
  try {
    const { built, stages } = v.parse(schema, JSON.parse(gunzipSync(bytes, { maxOutputLength: LIMIT }).toString()));
    return { built, stages };
  } catch (error) {
    throw new BuildError('CACHE_RECORD_INVALID', `a record of a build's inputs can't be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const LIMIT = 1 << 30;

/** Short: it is only compared with others of the same name. */
export function shortDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, SHORT);
}

const SHORT = 16;

/** Paths below `prefix` to short digests. */
export function fileDigests({ files }: Fingerprint, prefix = ''): Record<string, string> {
  return Object.fromEntries(
    files.map(({ path, digest }) => [`${prefix}${toText(path) || '.'}`, digest.slice(0, SHORT)]),
  );
}
