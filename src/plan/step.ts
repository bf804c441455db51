import type { ContainerConfig } from '../image/config.ts';
import type { Platform } from '../image/platform.ts';
import type { Instruction } from '../dockerfile/instruction.ts';

/** Where a stage's file system starts. */
export type StageBase =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly index: number }
  | { readonly kind: 'image'; readonly reference: string; readonly platform?: Platform };

/** Where COPY --from or a mount reads. */
export type FileSource =
  | { readonly kind: 'context' }
  | { readonly kind: 'stage'; readonly index: number }
  /** `scratch` is an empty tree. */
  | { readonly kind: 'image'; readonly reference: string };

/** A stage that the target needs, in file order. */
export interface PlannedStage {
  /** Position in the Dockerfile, from 0. */
  readonly index: number;
  /** Lower case; absent if unnamed. */
  readonly name?: string;
  readonly base: StageBase;
  readonly from: Instruction & { readonly kind: 'from' };
  /** As written in the Dockerfile, without ONBUILD triggers. */
  readonly instructions: readonly Instruction[];
  /** Indexes of the stages it reads: its base and every --from. */
  readonly dependencies: ReadonlySet<number>;
  /**
   * Triggers that run right after FROM: those of the stage it is built on, or those `planStages` was given for its base
   * image. Absent if there are none, or none are known yet.
   */
  readonly onbuild?: readonly Instruction[];
}

export interface BuildPlan {
  /** Needed stages only, in file order, so dependencies come first. */
  readonly stages: readonly PlannedStage[];
  /** Index (position in the Dockerfile) of the stage whose image is the result. */
  readonly target: number;
}

/** Something COPY or ADD takes. */
export type CopySource =
  /** Expanded; may hold wildcards; relative to the root of its source whether or not it starts with a slash. */
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'inline'; readonly name: string; readonly content: string };

/** A mount of RUN, expanded and validated. Paths of `target` are absolute. */
export type RunMount =
  | {
      readonly type: 'bind';
      readonly target: string;
      readonly source: string;
      readonly from: FileSource;
      readonly readOnly: boolean;
    }
  | {
      readonly type: 'cache';
      readonly target: string;
      readonly id: string;
      readonly sharing: 'shared' | 'private' | 'locked';
      readonly from?: FileSource;
      readonly source: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly readOnly: boolean;
    }
  | { readonly type: 'tmpfs'; readonly target: string; readonly size?: number }
  | {
      readonly type: 'secret';
      readonly id: string;
      readonly target?: string;
      readonly env?: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | {
      readonly type: 'ssh';
      readonly id: string;
      readonly target?: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

interface StepBase {
  readonly instruction: Instruction;
  /** What the log shows: the instruction after expansion, as kaniko's and BuildKit's logs do. */
  readonly display: string;
  /** `created_by` of the history entry, as BuildKit writes it; '' for ONBUILD, which makes no entry. */
  readonly createdBy: string;
  /** The configuration after this step. */
  readonly config: ContainerConfig;
}

/** One resolved step of a stage: everything expanded, nothing left to look up but files. */
export type Step = StepBase &
  (
    | {
        readonly kind: 'run';
        /** The program and its arguments; argv[0] is looked up in `env`'s PATH inside the root. */
        readonly argv: readonly string[];
        /** A script to place in the root while the command runs (a heredoc with a shebang); read-only, 0755. */
        readonly script?: { readonly path: string; readonly content: string };
        /** `NAME=value` in order: configuration and arguments; HOME is added by the rootfs if absent. */
        readonly env: readonly string[];
        /** Those entries of `env` that must not reach a cache key: proxies given as build arguments. */
        readonly uncachedEnv?: readonly string[];
        /** As in the configuration; '' is root. */
        readonly user: string;
        /** Absolute. */
        readonly workingDirectory: string;
        readonly mounts: readonly RunMount[];
        readonly network: 'default' | 'none' | 'host';
      }
    | {
        readonly kind: 'copy' | 'add';
        readonly sources: readonly CopySource[];
        readonly from: FileSource;
        /** Absolute (joined with WORKDIR); a trailing slash, or a last component of `.`, is kept as a trailing slash. */
        readonly destination: string;
        /** `user[:group]`, expanded, names or numbers; absent: 0:0 for what comes from the context or a URL, else as in the source. */
        readonly chown?: string;
        /** Expanded, octal or symbolic. */
        readonly chmod?: string;
        readonly link: boolean;
        readonly parents: boolean;
        readonly exclude: readonly string[];
        /** ADD only. */
        readonly checksum?: string;
        /** ADD only: undefined is the default (local archives yes, downloads no). */
        readonly unpack?: boolean;
      }
    /** Makes the directory; `user` owns what is missing. */
    | { readonly kind: 'workdir'; readonly path: string; readonly user: string }
    /** Changes nothing but the configuration. */
    | { readonly kind: 'metadata' }
  );

/** A stage with its base's configuration applied. */
export interface ResolvedStage {
  readonly steps: readonly Step[];
  /** Of the finished stage. */
  readonly config: ContainerConfig;
  readonly author?: string;
  /** ARG values in force at the end, which stages built FROM this one inherit. */
  readonly args: ReadonlyMap<string, string | undefined>;
  readonly warnings: readonly { readonly message: string; readonly instruction: Instruction }[];
}
