import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CacheKey } from '../cache/cacheKey.ts';
import type { GuardedCache } from '../cache/guardCache.ts';
import {
  decodeRecord,
  encodeRecord,
  type InputRecord,
  type StageInputs,
  type StepInputs,
  type StepOutcome,
} from '../cache/inputRecord.ts';
import { missReason } from '../cache/missReason.ts';
import { BuildError, hasErrno } from '../errors.ts';
import type { LogLevel } from '../events.ts';
import type { Digest } from '../image/digest.ts';
import type { PlannedStage } from '../plan/step.ts';

export interface InputRecorderOptions {
  /** Asked for the record of the build before. */
  readonly from: readonly GuardedCache[];
  readonly to: readonly GuardedCache[];
  /** Builds of one thing have one. */
  readonly identity: CacheKey;
  /** Where this machine's records are. */
  readonly directory: string;
  readonly log: (level: LogLevel, message: string) => void;
}

/** Where the records of builds' inputs are. */
export function recordsDirectory(dataDirectory: string): string {
  return join(dataDirectory, 'inputs');
}

/** The name of the last build's record there. */
export const LAST_RECORD = 'last';

/** Keeps what the keys of a build were made of, and says what is different from the build before. */
export class InputRecorder {
  readonly #options: InputRecorderOptions;
  readonly #stages = new Map<number, StageInputs>();
  #before: Promise<InputRecord | undefined> | undefined;
  #missed = false;

  constructor(options: InputRecorderOptions) {
    this.#options = options;
  }

  stage({ index, name, from }: PlannedStage, baseKey: CacheKey, baseDigest: Digest | undefined): StageRecorder {
    const inputs: StageInputs = {
      name: name ?? String(index),
      base: from.image,
      ...(baseDigest === undefined ? {} : { baseDigest }),
      baseKey,
      steps: [],
    };
    this.#stages.set(index, inputs);
    return new StageRecorder(inputs);
  }

  /** Says why the stage's last step missed; a cache that can't be read is no reason to fail. */
  async explain(stage: StageRecorder): Promise<void> {
    this.#missed = true;
    const step = stage.outcome('miss');
    // The stage goes on meanwhile.
    const inputs = stage.snapshot();
    const before = await (this.#before ??= this.#find());
    step.reason = missReason(before, inputs);
    if (before !== undefined) this.#options.log('info', `${step.text} missed: ${step.reason}`);
  }

  /**
   * Leaves the record: here, to be shown; for the next build to compare with, here and, if anything is new, in the caches. That only if the
   * build has come to its end. Never rejects for what a cache refuses.
   */
  async save(result: 'built' | 'failed'): Promise<void> {
    const { directory, identity, to } = this.#options;
    const stages = [...this.#stages].sort(([a], [b]) => a - b).map(([, inputs]) => inputs);
    const bytes = encodeRecord({ built: new Date().toISOString(), stages });
    mkdirSync(directory, { recursive: true });
    for (const name of result === 'built' ? [identity, LAST_RECORD] : [LAST_RECORD]) {
      const temporary = join(directory, randomUUID());
      writeFileSync(temporary, bytes);
      renameSync(temporary, join(directory, name));
    }
    if (this.#missed && result === 'built') await Promise.all(to.map((cache) => cache.putDocument(identity, bytes)));
  }

  async #find(): Promise<InputRecord | undefined> {
    const { from, identity, directory } = this.#options;
    for (const cache of from) {
      const bytes = await cache.findDocument(identity);
      const record = bytes === undefined ? undefined : this.#decode(bytes);
      if (record !== undefined) return record;
    }
    try {
      return this.#decode(readFileSync(join(directory, identity)));
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  #decode(bytes: Uint8Array): InputRecord | undefined {
    try {
      return decodeRecord(bytes);
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
      this.#options.log('debug', error.message);
      return undefined;
    }
  }
}

/** The part of one stage. */
export class StageRecorder {
  readonly #inputs: StageInputs;

  constructor(inputs: StageInputs) {
    this.#inputs = inputs;
  }

  /** The next step; its outcome follows. */
  step(text: string, inputs: Pick<StepInputs, 'instruction' | 'variables' | 'files'>): void {
    this.#inputs.steps.push({ text, ...inputs, outcome: 'not-cached' });
  }

  outcome(outcome: StepOutcome): StepInputs {
    const step = this.#inputs.steps.at(-1);
    if (step === undefined) throw new Error('no step is recorded');
    step.outcome = outcome;
    return step;
  }

  snapshot(): StageInputs {
    return { ...this.#inputs, steps: [...this.#inputs.steps] };
  }
}
