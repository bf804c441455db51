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
import { BuildError, hasErrno, messageOf } from '../errors.ts';
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
  readonly #skipped = new Map<number, string>();
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

  /** A stage that is not even looked at: what an earlier build recorded of it stays. */
  skip({ index, name }: PlannedStage): void {
    this.#skipped.set(index, name ?? String(index));
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
   * build has come to its end. Never rejects for what a cache or the disk refuses.
   */
  async save(result: 'built' | 'failed'): Promise<void> {
    const { directory, identity, to, log } = this.#options;
    const stages = [...this.#stages, ...this.#carried(await this.#before)];
    const inOrder = stages.sort(([a], [b]) => a - b).map(([, inputs]) => inputs);
    const bytes = encodeRecord({ built: new Date().toISOString(), stages: inOrder });
    try {
      mkdirSync(directory, { recursive: true });
      for (const name of result === 'built' ? [identity, LAST_RECORD] : [LAST_RECORD]) {
        const temporary = join(directory, randomUUID());
        writeFileSync(temporary, bytes);
        renameSync(temporary, join(directory, name));
      }
    } catch (error) {
      log('warn', `Can't record the build's inputs: ${messageOf(error)}`);
    }
    if (this.#missed && result === 'built') await Promise.all(to.map((cache) => cache.putDocument(identity, bytes)));
  }

  /** What was not looked at in this build comes from the record before. */
  #carried(fetched: InputRecord | undefined): [number, StageInputs][] {
    const before = fetched ?? this.#local();
    for (const now of this.#stages.values()) {
      const earlier = before?.stages.find(({ name }) => name === now.name);
      for (const [index, step] of now.steps.entries()) {
        const old = earlier?.steps[index];
        if (step.files === undefined && old?.text === step.text && old.files !== undefined) step.files = old.files;
      }
    }
    return [...this.#skipped].flatMap(([index, name]) => {
      const earlier = before?.stages.find((stage) => stage.name === name);
      return earlier === undefined ? [] : [[index, earlier]];
    });
  }

  async #find(): Promise<InputRecord | undefined> {
    const { from, identity } = this.#options;
    for (const cache of from) {
      const bytes = await cache.findDocument(identity);
      const record = bytes === undefined ? undefined : this.#decode(bytes);
      if (record !== undefined) return record;
    }
    return this.#local();
  }

  #local(): InputRecord | undefined {
    const { directory, identity } = this.#options;
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
