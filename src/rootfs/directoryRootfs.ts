import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readIdMaps } from '../linux/idMap.ts';
import type { Changes } from '../tree/change.ts';
import type { Tree } from '../tree/tree.ts';
import type { Candidate } from './candidate.ts';
import { changesFrom } from './changesFrom.ts';
import { launch } from './launch.ts';
import { launchRequest } from './launchRequest.ts';
import { ownersFromTree } from './ownersFromTree.ts';
import { removeMadePaths } from './removeMadePaths.ts';
import type { AddedLayer, CompareContents, Rootfs, RunCommand, RunResult } from './rootfs.ts';
import { WalkRecord } from './walkRecord.ts';

export interface DirectoryRootfsOptions {
  /** A directory of its own that holds the unpacked tree as `tree`. */
  readonly directory: string;
  /** Writes changes into the tree. */
  readonly apply: (changes: Changes, tree: string) => Promise<void>;
  /** The command writes over the tree below, so its contents have to come from elsewhere. Absent: what was touched counts as changed. */
  readonly compareContents?: CompareContents;
}

/** One plain directory, for a disk that can't hold an overlay's upper directory. What changed is found by walking over it. */
export function openDirectoryRootfs(options: DirectoryRootfsOptions): Rootfs {
  return new DirectoryRootfs(options);
}

class DirectoryRootfs implements Rootfs {
  readonly #options: DirectoryRootfsOptions;
  readonly #tree: string;
  readonly #clockFile: string;
  #record: WalkRecord | undefined;
  #touched: Candidate[] | undefined;

  constructor(options: DirectoryRootfsOptions) {
    this.#options = options;
    this.#tree = join(options.directory, 'tree');
    this.#clockFile = join(options.directory, 'clock');
    for (const name of ['tree', 'scratch']) mkdirSync(join(options.directory, name), { recursive: true });
  }

  async run(command: RunCommand): Promise<RunResult> {
    const { directory } = this.#options;
    this.#record ??= WalkRecord.take(this.#tree, this.#clockFile);
    this.#touched = undefined;
    const launched = await launch(
      {
        ...launchRequest(command),
        root: { kind: 'directory', directory: this.#tree },
        scratch: join(directory, 'scratch'),
      },
      { ...command, directory },
    );
    removeMadePaths(this.#tree, launched.ready.made);
    const { exitCode, signal } = launched;
    return signal === undefined ? { exitCode } : { exitCode, signal };
  }

  changes(below: Tree): Promise<Changes> {
    this.#touched ??= this.#record?.update(this.#clockFile) ?? [];
    return changesFrom(
      ownersFromTree(this.#touched, below, readIdMaps()),
      below,
      this.#options.compareContents ?? nothingIsTheSame,
    );
  }

  async add(layer: AddedLayer): Promise<void> {
    this.#record = undefined;
    this.#touched = undefined;
    await this.#options.apply(layer.changes, this.#tree);
  }

  close(): Promise<void> {
    rmSync(this.#options.directory, { recursive: true, force: true });
    return Promise.resolve();
  }
}

const nothingIsTheSame: CompareContents = (pairs) => Promise.resolve(pairs.map(() => false));
