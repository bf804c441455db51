import { join } from 'node:path';
import { BuildError } from '../errors.ts';
import type { RefusedAttribute } from '../layer/applyChanges.ts';
import type { Changes } from '../tree/change.ts';
import type { Tree, TreePath } from '../tree/tree.ts';
import type { Candidate } from './candidate.ts';
import { changesFrom } from './changesFrom.ts';
import { launch } from './launch.ts';
import { launchRequest } from './launchRequest.ts';
import type { Leftovers } from './leftovers.ts';
import {
  findLinkedDirectories,
  settleLinked,
  showLinked,
  shownNames,
  type LinkedDirectory,
} from './linkedDirectories.ts';
import { MountPointError, placeMountPoint } from './mountPoint.ts';
import { Placements } from './placements.ts';
import type { AddedLayer, CompareContents, Rootfs, RunCommand, RunResult } from './rootfs.ts';
import type { StayingPaths } from './stayingPaths.ts';
import { WalkRecord } from './walkRecord.ts';

export interface InPlaceRootfsOptions {
  /** `/`, borrowed and holding the tree. */
  readonly root: string;
  /** A directory of its own that stays. */
  readonly directory: string;
  readonly stays: StayingPaths;
  /** What was unpacked. */
  readonly tree: Tree;
  readonly leftovers: Leftovers;
  /** What the disk did not take of the tree. */
  readonly refused: RefusedAttributes;
  /** Writes changes into the root, but for what stays. */
  readonly apply: (changes: Changes) => Promise<void>;
  readonly compareContents: CompareContents;
  /** What can't be had in place, and is done without. */
  readonly log: (level: 'warn' | 'debug', message: string) => void;
}

/** By path, what the tree says and the disk does not: whoever may not set it must not find it changed. */
type RefusedAttributes = ReadonlyMap<TreePath, ReadonlySet<RefusedAttribute>>;

/** What no image should record wherever it was built, as kaniko has it. Below the second one only. */
const NEVER_RECORDED = new Set(['etc/mtab']);
const NEVER_RECORDED_BELOW = 'tmp/apt-key-gpghome';

/** The root of the builder's own container, where nothing can be mounted. What changed is found by walking over it. */
export function openInPlaceRootfs(options: InPlaceRootfsOptions): Rootfs {
  return new InPlaceRootfs(options);
}

class InPlaceRootfs implements Rootfs {
  readonly #options: InPlaceRootfsOptions;
  readonly #linked: readonly LinkedDirectory[];
  readonly #ignored: (path: TreePath) => boolean;
  readonly #clockFile: string;
  #record: WalkRecord | undefined;
  #touched: Candidate[] | undefined;
  #runs = 0;

  constructor(options: InPlaceRootfsOptions) {
    const { root, stays, tree } = options;
    this.#options = options;
    this.#linked = findLinkedDirectories(tree, stays);
    const linked = new Set(this.#linked.map(({ path }) => path));
    this.#ignored = (path) =>
      stays.has(path) ||
      linked.has(path) ||
      NEVER_RECORDED.has(path) ||
      (path.startsWith(NEVER_RECORDED_BELOW) && path[NEVER_RECORDED_BELOW.length] === '/');
    this.#clockFile = join(root, '.kasane-clock');
  }

  async run(command: RunCommand): Promise<RunResult> {
    const { directory, root, leftovers } = this.#options;
    this.#remark(command);
    for (const linked of this.#linked) showLinked(linked, root, this.#options.stays);
    this.#record ??= WalkRecord.take(root, this.#clockFile, this.#ignored);
    this.#touched = undefined;
    const shown = this.#linked.map((linked) => ({ linked, names: shownNames(linked, root) }));
    const launched = await this.#withPlacements(command, async () => {
      this.#makeWorkingDirectory(command.workingDirectory);
      return launch(
        { ...launchRequest({ ...command, files: [], mounts: [] }), root: { kind: 'in-place' }, scratch: directory },
        { ...command, directory, supervisor: leftovers },
      );
    });
    for (const { linked, names } of shown) settleLinked(linked, names, root, this.#options.stays);
    const { exitCode, signal } = launched;
    return signal === undefined ? { exitCode } : { exitCode, signal };
  }

  changes(below: Tree): Promise<Changes> {
    this.#touched ??= this.#record?.update(this.#clockFile) ?? [];
    return changesFrom(this.#believable(this.#touched, below), below, this.#options.compareContents);
  }

  async add(layer: AddedLayer): Promise<void> {
    this.#record = undefined;
    this.#touched = undefined;
    await this.#options.apply(layer.changes);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #withPlacements<T>(command: RunCommand, task: () => Promise<T>): Promise<T> {
    const { directory, root, stays } = this.#options;
    using placements = new Placements({ root, stays, aside: join(directory, `placed-${this.#runs++}`) });
    for (const file of command.files) placements.placeFile(file);
    for (const mount of command.mounts) placements.placeMount(mount);
    return await task();
  }

  #remark({ network, mounts }: RunCommand): void {
    const { log } = this.#options;
    if (network === 'none') log('warn', 'RUN --network=none: in place the command has the network all the same');
    for (const mount of mounts) {
      if (mount.kind === 'bind' && mount.readOnly) {
        log('debug', `${mount.target} is a copy that the command may write to: in place nothing is read-only`);
      }
      if (mount.kind === 'tmpfs' && mount.sizeBytes !== undefined) {
        log('debug', `${mount.target} may grow above its size: in place it is a directory`);
      }
    }
  }

  /** Made as root, as runc does. */
  #makeWorkingDirectory(directory: string): void {
    if (/^\/+(proc|sys|dev)(\/|$)/.test(directory)) return;
    try {
      placeMountPoint(this.#options.root, directory, 'directory', { made: [], closed: ['proc'] });
    } catch (error) {
      if (error instanceof MountPointError) throw new BuildError('ROOTFS_UNUSABLE', error.message, { cause: error });
      throw error;
    }
  }

  /** Candidates without what the disk could not show, and without directories that are there only because a mount is in them. */
  #believable(candidates: readonly Candidate[], below: Tree): Candidate[] {
    const { refused, stays } = this.#options;
    return candidates.flatMap((candidate): Candidate[] => {
      if (candidate.kind === 'gone') return [candidate];
      const { path, entry } = candidate;
      const node = nodeAt(below, path);
      if (node === undefined) {
        const isScaffold = stays.holds(path) && entry.type === 'directory';
        return isScaffold && !candidates.some((other) => isBelow(other.path, path)) ? [] : [candidate];
      }
      const missing = refused.get(path);
      const recorded = below.entry(node);
      if (missing === undefined || recorded.type !== entry.type) return [candidate];
      const { uid, gid } = missing.has('owner') ? recorded : entry;
      const { mode } = missing.has('mode') ? recorded : entry;
      const { xattrs } = missing.has('xattrs') ? recorded : entry;
      return [{ ...candidate, entry: { ...entry, uid, gid, mode, xattrs } }];
    });
  }
}

function nodeAt(tree: Tree, path: TreePath): number | undefined {
  let node: number | undefined = tree.root;
  for (const name of path.split('/') as TreePath[]) node = node === undefined ? undefined : tree.child(node, name);
  return node;
}

function isBelow(path: TreePath, directory: TreePath): boolean {
  return path.startsWith(`${directory}/`);
}
