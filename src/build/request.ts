import type { Platform } from '../image/platform.ts';
import type { EventListener } from '../events.ts';
import type { Mirrors } from '../registry/mirrors.ts';
import type { RegistryOptions } from '../registry/options.ts';

export type IsolationMode = 'auto' | 'namespace' | 'in-place' | 'none';

/** What to build and where it goes: the command line as a value. Paths are absolute. */
export interface BuildRequest {
  /** As given: a directory, or a `scheme://` context. */
  readonly context: string;
  /** Joined to the context. */
  readonly contextSubPath?: string;
  /** As given: tried relative to the working directory, then to the context. */
  readonly dockerfile: string;
  readonly destinations: readonly string[];
  /** In the order given; a later one of the same name wins. */
  readonly buildArgs: readonly { readonly name: string; readonly value: string }[];
  readonly target?: string;
  readonly labels: readonly { readonly key: string; readonly value: string }[];
  readonly push: boolean;
  readonly skipPushPermissionCheck: boolean;
  readonly tarPath?: string;
  readonly ociLayoutPath?: string;
  readonly digestFile?: string;
  readonly imageNameWithDigestFile?: string;
  readonly imageNameTagWithDigestFile?: string;
  readonly reproducible: boolean;
  readonly singleSnapshot: boolean;
  readonly platform: Platform;
  readonly isolation: IsolationMode;
  /** Run in place outside of a container too. Default: false. */
  readonly force?: boolean;
  /** Patterns of paths that no RUN's layer records, by Go's path.Match for each component. Default: none. */
  readonly ignorePaths?: readonly string[];
  /** kasane's own directory: layers, blobs, root file systems. */
  readonly dataDirectory: string;
  /** Stages side by side. */
  readonly jobs: number;
  readonly registry: RegistryOptions;
  /** Where base images are looked for first. Default: nowhere. */
  readonly mirrors?: Mirrors;
  /** Default: every step is executed. */
  readonly cache?: CacheRequest;
  /** For RUN --mount=type=secret. Default: none. */
  readonly secrets?: readonly SecretSource[];
  /** For RUN --mount=type=ssh. Default: none. */
  readonly sshAgents?: readonly { readonly id: string; readonly socket: string }[];
}

/** A cache of layers that outlives the build. */
export interface CacheRequest {
  /** `registry/repository` or `oci:<directory>`. Default: `cache` below the first destination's repository. */
  readonly repository?: string;
  /** False: only `from` and `to` are used. Default: true. */
  readonly own?: boolean;
  /** More of them, only to be read. */
  readonly from?: readonly string[];
  /** More of them, only to be written. */
  readonly to?: readonly string[];
  /** Whether anything is looked for. Default: true. */
  readonly read?: boolean;
  /** Stages, by name or number, whose steps are executed whatever the caches have. */
  readonly executedStages?: readonly string[];
  /** Whether a cache that can't be used is a warning or an error. Default: `warn`. */
  readonly errors?: 'warn' | 'fail';
  /** Whether what had to be executed is put into `repository`. */
  readonly push: boolean;
  readonly runLayers: boolean;
  /** COPY, ADD and WORKDIR. */
  readonly copyLayers: boolean;
  /** Milliseconds; what is older is not used. */
  readonly maxAge: number;
}

/** Where a secret comes from; read when a step needs it. */
export type SecretSource =
  | { readonly id: string; readonly kind: 'file'; readonly path: string }
  | { readonly id: string; readonly kind: 'env'; readonly variable: string };

export interface BuildOptions {
  readonly listener?: EventListener;
  readonly signal?: AbortSignal;
  /** Where proxies, DOCKER_CONFIG and SOURCE_DATE_EPOCH are read. Default: an empty environment. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}
