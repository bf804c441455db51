/**
 * What the builder tells the launcher, as JSON over descriptor 3 (arguments can be seen by every user of the machine, and
 * an environment would have to be kept out of the command's).
 */
export interface LaunchSpec {
  /** `in-place`: nothing is mounted or entered, the command runs where the launcher is. */
  readonly root: RootMount | { readonly kind: 'in-place' };
  /** An empty directory of the rootfs: tmpfs with the placed files is mounted here. */
  readonly scratch: string;
  readonly hostname: string;
  readonly files: readonly SpecFile[];
  readonly mounts: readonly SpecMount[];
  /** Absent: only try whether all of this can be had. */
  readonly command?: SpecCommand;
}

export type RootMount =
  | {
      readonly kind: 'overlay';
      /** Becomes the working directory, so that the names below can be short: mount(2) takes 4,096 bytes. */
      readonly directory: string;
      /** Top first; relative. */
      readonly lowers: readonly string[];
      readonly upper: string;
      readonly work: string;
      /** Where it is mounted; relative. */
      readonly mountPoint: string;
    }
  | { readonly kind: 'directory'; readonly directory: string };

/** Contents are base64. */
export interface SpecFile {
  readonly target: string;
  readonly content: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly readOnly: boolean;
}

export type SpecMount =
  | { readonly kind: 'bind'; readonly source: string; readonly target: string; readonly readOnly: boolean }
  | { readonly kind: 'scratch-copy'; readonly source: string; readonly target: string }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly sizeBytes?: number; readonly mode: number }
  | ({ readonly kind: 'secret' } & SpecFile);

export interface SpecCommand {
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly workingDirectory: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** The launcher's only answer, before the command takes its place. */
export type LaunchReply =
  | {
      readonly kind: 'ready';
      /** The launcher's process id outside its own pid namespace. */
      readonly pid: number;
      /** Mount points that were missing and were made, in that order. */
      readonly made: readonly MadePath[];
      /** Options of the overlay that the kernel took. */
      readonly overlayOptions?: string;
    }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

/** Something made in the root to mount on; taken back after the command. Times are nanoseconds since 1970. */
export interface MadePath {
  /** A tree path. */
  readonly path: string;
  readonly directory: boolean;
  /** The parent directory's mtime before and after. */
  readonly parentBefore: string;
  readonly parentAfter: string;
}
