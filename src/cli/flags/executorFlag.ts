import type { FlagDefinition } from '../pflag.ts';

/**
 * How far kasane goes with a flag of kaniko's that does not do all it says. `no-effect`: harmless or pointless here,
 * accepted. `unsupported`: an error, unless the value asks for nothing.
 */
interface FlagSupport {
  readonly level: 'no-effect' | 'unsupported';
  /** Why, as the second half of a sentence; shown to users and in docs/flags.md. */
  readonly because: string;
  /** Texts besides the default that ask for nothing, so that they pass. */
  readonly harmless?: readonly string[];
}

/** An environment variable that speaks for a flag: as a default, with the last word, or as one more item. */
interface FlagEnvironment {
  readonly name: string;
  readonly order: 'flag-wins' | 'variable-wins' | 'adds';
}

/** A row of the flag table: what parsing needs, and what kasane makes of it. Absent `support` means it does what it says. */
export type ExecutorFlag = FlagDefinition & {
  readonly support?: FlagSupport;
  readonly environment?: FlagEnvironment;
};

export type ExecutorFlagTable = Readonly<Record<string, ExecutorFlag>>;
