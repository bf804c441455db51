import { BuildError } from '../errors.ts';

/** How often and how long to try; all of it injected, so that tests need no waiting. */
export interface RetryPolicy {
  /** All tries together, the first included. */
  readonly attempts: number;
  /** Milliseconds before the second try; doubled for each later one. */
  readonly firstDelay: number;
  /** A server that asks (Retry-After) for more milliseconds than this is not waited for. */
  readonly longestDelay: number;
  /** Rejects with the signal's reason when it is aborted. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** Milliseconds since 1970, for Retry-After with a date. */
  readonly now: () => number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  attempts: 5,
  firstDelay: 500,
  longestDelay: 120_000,
  sleep: async (milliseconds, signal) => {
    const { setTimeout } = await import('node:timers/promises');
    signal?.throwIfAborted();
    await setTimeout(milliseconds, undefined, signal === undefined ? {} : { signal });
  },
  now: Date.now,
};

const TEMPORARY_STATUSES: ReadonlySet<number> = new Set([408, 429, 499, 500, 502, 503, 504, 522]);

const TEMPORARY_ERRNOS: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EAI_AGAIN',
  'HTTP_TIMEOUT',
  'HPE_INVALID_EOF_STATE',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

export function isTemporaryStatus(status: number): boolean {
  return TEMPORARY_STATUSES.has(status);
}

/** True for a connection that broke, timed out or could not be made, if trying again may help; never for a bad certificate. */
export function isTemporaryError(error: unknown): boolean {
  if (error instanceof BuildError) return error.facts['temporary'] === true;
  if (error instanceof AggregateError) return error.errors.some(isTemporaryError);
  return error instanceof Error && 'code' in error && TEMPORARY_ERRNOS.has(String(error.code));
}

/**
 * Milliseconds to wait after the given try (from 1), or undefined if no further try is due. `retryAfter` is the header's
 * value: seconds or an HTTP date.
 */
export function retryDelay(policy: RetryPolicy, attempt: number, retryAfter?: string): number | undefined {
  if (attempt >= policy.attempts) return undefined;
  const backOff = Math.min(policy.firstDelay * 2 ** (attempt - 1), policy.longestDelay);
  const asked = retryAfter === undefined ? undefined : parseRetryAfter(retryAfter, policy.now());
  if (asked === undefined) return backOff;
  return asked > policy.longestDelay ? undefined : Math.max(asked, backOff);
}

function parseRetryAfter(value: string, now: number): number | undefined {
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
