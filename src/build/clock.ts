import { BuildError } from '../errors.ts';
import type { Timestamp } from '../tar/header.ts';

/** What time a build says it is. */
export interface BuildClock {
  /** For `created` fields: RFC 3339. */
  created(): string;
  /** For directories and files that a step makes. */
  now(): Timestamp;
  /** Seconds since 1970 that no file this build writes into a layer is later than. */
  readonly latestTime: number | undefined;
}

/** The machine's clock; a fixed one for `SOURCE_DATE_EPOCH` (seconds) and for `--reproducible`, which without it means 1970. */
export function createClock(sourceDateEpoch: string | undefined, reproducible: boolean): BuildClock {
  const epoch = parseEpoch(sourceDateEpoch) ?? (reproducible ? 0 : undefined);
  const milliseconds = (): number => (epoch === undefined ? Date.now() : epoch * 1000);
  return {
    created: () => new Date(milliseconds()).toISOString(),
    now() {
      const now = milliseconds();
      return { seconds: Math.floor(now / 1000), nanoseconds: (now % 1000) * 1_000_000 };
    },
    latestTime: epoch,
  };
}

function parseEpoch(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,11}$/.test(text)) return Number(text);
  throw new BuildError('SOURCE_DATE_EPOCH_INVALID', `invalid SOURCE_DATE_EPOCH: ${text}`, {
    hint: 'It is a number of seconds since 1970.',
  });
}
