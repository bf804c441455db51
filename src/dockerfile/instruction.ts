import type { SourceLocation } from '../errors.ts';

/** A here-document as written. */
export interface Heredoc {
  /** The delimiter, which also names the file that COPY and ADD make of it. */
  readonly name: string;
  /** Body with its final newline; leading tabs already gone for `<<-`. */
  readonly content: string;
  /** False when any part of the delimiter was quoted. */
  readonly expand: boolean;
  readonly chomp: boolean;
  readonly fileDescriptor: number;
  /** The body as written, where `content` is not. */
  readonly raw?: string;
}

/** A command in shell form (text, not expanded) or exec form (JSON). */
export type Command =
  | { readonly form: 'shell'; readonly text: string; readonly heredocs: readonly Heredoc[] }
  | { readonly form: 'exec'; readonly args: readonly string[] };

export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** Written with a blank instead of `=`. */
  readonly legacy?: boolean;
}

/** A flag as written, unexpanded: `--chown=a:b` is { name: 'chown', value: 'a:b' }; a bare `--link` has no value. */
export interface Flag {
  readonly name: string;
  readonly value?: string;
}

interface InstructionBase {
  /** File, lines and (lazily made) excerpt. */
  readonly location: SourceLocation;
  /** The instruction as one line, continuation joined, comments gone: what the log and the history show. */
  readonly text: string;
  readonly flags: readonly Flag[];
  /** The comment lines directly above, without `#`. */
  readonly comments?: readonly string[];
}

/** One parsed instruction. Words are unexpanded: quotes, escapes and `$` are as written. */
export type Instruction = InstructionBase &
  (
    | { readonly kind: 'from'; readonly image: string; readonly stageName?: string; readonly platform?: string }
    | { readonly kind: 'arg'; readonly args: readonly { readonly name: string; readonly value?: string }[] }
    | { readonly kind: 'env'; readonly pairs: readonly KeyValue[] }
    | { readonly kind: 'label'; readonly pairs: readonly KeyValue[] }
    | { readonly kind: 'run'; readonly command: Command }
    | { readonly kind: 'cmd'; readonly command: Command }
    | { readonly kind: 'entrypoint'; readonly command: Command }
    | {
        readonly kind: 'copy' | 'add';
        readonly sources: readonly string[];
        readonly heredocs: readonly Heredoc[];
        readonly destination: string;
      }
    | { readonly kind: 'workdir'; readonly path: string }
    | { readonly kind: 'user'; readonly user: string }
    | { readonly kind: 'expose'; readonly ports: readonly string[] }
    | { readonly kind: 'volume'; readonly paths: readonly string[] }
    | { readonly kind: 'shell'; readonly shell: readonly string[] }
    | { readonly kind: 'stopsignal'; readonly signal: string }
    | { readonly kind: 'maintainer'; readonly maintainer: string }
    | { readonly kind: 'healthcheck'; readonly none: true }
    | { readonly kind: 'healthcheck'; readonly none: false; readonly command: Command }
    | { readonly kind: 'onbuild'; readonly trigger: string; readonly instruction: Instruction }
  );

/** A parsed Dockerfile: the instructions before the first FROM (ARGs only), then the stages as written. */
export interface Dockerfile {
  readonly file: string;
  /** The character of the `escape` directive. */
  readonly escape: '\\' | '`';
  /** The values of the other directives, as written. */
  readonly directives?: { readonly syntax?: string; readonly check?: string };
  readonly globalArgs: readonly Instruction[];
  readonly stages: readonly ParsedStage[];
  readonly warnings: readonly { readonly message: string; readonly location: SourceLocation }[];
}

export interface ParsedStage {
  readonly from: Instruction & { readonly kind: 'from' };
  readonly instructions: readonly Instruction[];
}
