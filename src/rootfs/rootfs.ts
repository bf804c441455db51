import type { ByteString } from '../byteString.ts';
import type { Changes } from '../tree/change.ts';
import type { Tree } from '../tree/tree.ts';

/**
 * A tree made real, so that commands can run in it: the only part of a build that needs a machine. Which isolation mode
 * made it shows nowhere in this interface.
 *
 * `run` and `changes` alternate: after a command its changes are read before anything else happens. Everything that a
 * command started is dead when `run` resolves.
 */
export interface Rootfs {
  /**
   * Runs a command and waits for it and for all it left behind.
   * @throws BuildError `ROOTFS_UNUSABLE` if the image has no place for what a container needs (its /proc is a link, say),
   *   `ISOLATION_UNAVAILABLE` if the machine refuses; never for what the command itself does
   */
  run(command: RunCommand): Promise<RunResult>;
  /**
   * What the last command changed, `below` being the tree before it. Contents are files on disk that stay as they are
   * until the next `run` or `close`.
   */
  changes(below: Tree): Promise<Changes>;
  /** Takes over what a step other than RUN changed. */
  add(layer: AddedLayer): Promise<void>;
  /** Takes back what the machine was given and deletes what is on disk; safe to call twice. */
  close(): Promise<void>;
}

/** A step's result, both as changes and as a directory for whoever can stack directories. */
export interface AddedLayer {
  readonly changes: Changes;
  /** Absolute path of the unpacked layer, whiteouts and opaque marks as overlayfs has them; made on first call. */
  directory(): Promise<string>;
}

export interface RunCommand {
  /** `argv[0]` is looked up in the PATH of `env`, inside the root. */
  readonly argv: readonly string[];
  /** `NAME=value`, complete: nothing is added. Of a repeated name the last counts. */
  readonly env: readonly string[];
  readonly user: RunUser;
  /** Absolute; made (root's, 0755) if it is missing. */
  readonly workingDirectory: string;
  readonly hostname: string;
  /** `host` is the network of whoever runs the build; `none` has a loopback only. */
  readonly network: 'host' | 'none';
  /** Files that are there while the command runs and never part of a layer: resolv.conf, hosts, a script. */
  readonly files: readonly PlacedFile[];
  /** In this order, so a later one may lie in an earlier one. */
  readonly mounts: readonly RootfsMount[];
  /** Output in chunks as it comes; must not throw. */
  readonly onOutput: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void;
  /** Kills the command and all it started; `run` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Numbers only: names are looked up in the image's own files beforehand, never by libc. */
interface RunUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

export interface PlacedFile {
  /** Absolute, in the root; links are followed inside the root. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode: number;
  /** The command may write into its own copy, which is thrown away. Default: false. */
  readonly writable?: boolean;
}

/** Something mounted while a command runs. `target` is absolute, in the root, and is made for the time if it is missing. */
export type RootfsMount =
  | {
      readonly kind: 'bind';
      /** A file, directory or socket on this machine; used as it is, so whoever names it has resolved links. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
    }
  /** What is below `source` can be seen and written, writes are thrown away. */
  | { readonly kind: 'scratch-copy'; readonly source: string; readonly target: string }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly sizeBytes?: number; readonly mode: number }
  /** Kept in memory only. */
  | {
      readonly kind: 'secret';
      readonly target: string;
      readonly content: Uint8Array;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

export interface RunResult {
  /** 0–255; 128 + number for a command killed by a signal; 126 and 127 as a shell says that a program can't be run or found. */
  readonly exitCode: number;
  readonly signal?: NodeJS.Signals;
}

/** Says for each pair whether a file's bytes are still those that the tree below has. */
export type CompareContents = (pairs: readonly ContentPair[]) => Promise<readonly boolean[]>;

export interface ContentPair {
  /** Of the file in the tree below. */
  readonly path: ByteString;
  /** Where the file is now. */
  readonly disk: string | Buffer;
}
