import type { Digest } from './image/digest.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Which stage an event belongs to: position in the Dockerfile and, if it has one, its name. */
export interface StageLabel {
  readonly index: number;
  readonly name?: string;
}

/** What a build tells its listeners. Times are milliseconds, sizes bytes. */
export type BuildEvent =
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly stage?: StageLabel }
  | { readonly kind: 'stage-started'; readonly stage: StageLabel; readonly base: string; readonly steps: number }
  | { readonly kind: 'stage-finished'; readonly stage: StageLabel; readonly milliseconds: number }
  | {
      readonly kind: 'step-started';
      readonly stage: StageLabel;
      /** From 1. */
      readonly step: number;
      readonly steps: number;
      readonly text: string;
    }
  | {
      readonly kind: 'step-finished';
      readonly stage: StageLabel;
      readonly step: number;
      readonly steps: number;
      readonly text: string;
      readonly milliseconds: number;
      readonly cached: boolean;
      /** Of the layer's blob, compressed; absent if the step made no layer. */
      readonly layer?: { readonly digest: Digest; readonly size: number };
    }
  /** Output of a RUN, in chunks as it came. */
  | {
      readonly kind: 'output';
      readonly stage: StageLabel;
      readonly stream: 'stdout' | 'stderr';
      readonly chunk: Uint8Array;
    }
  | {
      readonly kind: 'transfer';
      readonly direction: 'download' | 'upload';
      readonly digest: Digest;
      readonly done: number;
      readonly total: number;
    }
  | { readonly kind: 'pushed'; readonly reference: string; readonly digest: Digest };

/** Receives events; must not throw. */
export type EventListener = (event: BuildEvent) => void;
