import { chmodSync, lstatSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fromText, toFsPath } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import { overlayXattrs, type OverlayXattrs } from '../layer/overlayXattrs.ts';
import { readIdMaps } from '../linux/idMap.ts';
import { giveTo } from '../linux/owner.ts';
import type { Changes } from '../tree/change.ts';
import type { Tree } from '../tree/tree.ts';
import { changesFrom, sameContent } from './changesFrom.ts';
import { launch } from './launch.ts';
import { launchRequest } from './launchRequest.ts';
import { lowerFile } from './lowerFile.ts';
import { ownersFromTree } from './ownersFromTree.ts';
import { regroupLinks } from './regroupLinks.ts';
import { removeMadePaths } from './removeMadePaths.ts';
import type { AddedLayer, ContentPair, Rootfs, RunCommand, RunResult } from './rootfs.ts';
import { upperCandidates } from './upperCandidates.ts';

/** The kernel's limit for one overlay. */
const MAX_LOWERS = 500;

export interface OverlayRootfsOptions {
  /** A directory of its own, empty or missing; where an overlay's upper may lie (`probeIsolation`). */
  readonly directory: string;
  /** Absolute paths of unpacked layers, bottom first. The last one's own mode and owner are the root's. */
  readonly layers: readonly string[];
}

/**
 * Layer directories stacked as an overlay, with a fresh upper directory for each command. The overlay is mounted by the
 * command's launcher in the command's own mount namespace: here nothing is ever mounted, so nothing is left over, whatever ends
 * the build.
 */
export function openOverlayRootfs(options: OverlayRootfsOptions): Rootfs {
  return new OverlayRootfs(options);
}

class OverlayRootfs implements Rootfs {
  readonly #directory: string;
  readonly #xattrs: OverlayXattrs;
  /** Bottom first. */
  readonly #layers: string[] = [];
  #steps = 0;
  /** The upper directory of the last command, until its changes have been read. */
  #upper: { readonly path: string; readonly work: string } | undefined;

  constructor({ directory, layers }: OverlayRootfsOptions) {
    this.#directory = directory;
    for (const name of ['l', 'root', 'scratch', 'empty']) mkdirSync(join(directory, name), { recursive: true });
    this.#xattrs = overlayXattrs(directory);
    // An overlay needs something below, also for FROM scratch.
    this.#push(join(directory, 'empty'));
    for (const layer of layers) this.#push(layer);
  }

  async run(command: RunCommand): Promise<RunResult> {
    this.#settle();
    if (this.#layers.length > MAX_LOWERS) {
      throw new BuildError(
        'TOO_MANY_LAYERS',
        `the kernel stacks ${MAX_LOWERS} layers at most; this stage has ${this.#layers.length}`,
        { hint: 'Join RUN steps of the Dockerfile.' },
      );
    }
    const upper = this.#makeUpper();
    const launched = await launch(
      {
        ...launchRequest(command),
        root: {
          kind: 'overlay',
          directory: this.#directory,
          lowers: topmost(this.#layers).map(lowerName).toReversed(),
          upper: upper.name,
          work: upper.workName,
          mountPoint: 'root',
        },
        scratch: join(this.#directory, 'scratch'),
      },
      { ...command, directory: this.#directory },
    );
    removeMadePaths(upper.path, launched.ready.made);
    this.#upper = { path: upper.path, work: upper.work };
    const { exitCode, signal } = launched;
    return signal === undefined ? { exitCode } : { exitCode, signal };
  }

  async changes(below: Tree): Promise<Changes> {
    if (this.#upper === undefined) return [];
    const { path, work } = this.#upper;
    const found = upperCandidates(fromText(path), below, `${this.#xattrs}.overlay.`);
    const candidates = regroupLinks(ownersFromTree(found, below, readIdMaps()), {
      upper: path,
      index: join(work, 'index'),
      below,
      lowerFile: (file) => lowerFile(this.#layers, file),
    });
    return changesFrom(candidates, below, (pairs) => Promise.resolve(pairs.map((pair) => this.#isUnchanged(pair))));
  }

  async add(layer: AddedLayer): Promise<void> {
    this.#settle();
    if (layer.changes.length > 0) this.#push(await layer.directory());
  }

  close(): Promise<void> {
    rmSync(this.#directory, { recursive: true, force: true });
    return Promise.resolve();
  }

  /** What the last command left becomes part of what later ones see. */
  #settle(): void {
    if (this.#upper === undefined) return;
    rmSync(this.#upper.work, { recursive: true, force: true });
    this.#push(this.#upper.path);
    this.#upper = undefined;
  }

  #push(layer: string): void {
    symlinkSync(layer, join(this.#directory, lowerName(this.#layers.length)));
    this.#layers.push(layer);
  }

  #makeUpper(): { name: string; workName: string; path: string; work: string } {
    const name = `u${this.#steps}`;
    const workName = `w${this.#steps}`;
    this.#steps++;
    const path = join(this.#directory, name);
    const work = join(this.#directory, workName);
    mkdirSync(path);
    mkdirSync(work);
    // The root directory that the command sees is the upper one.
    const { mode, uid, gid } = lstatSync(this.#layers.at(-1) ?? this.#directory);
    giveTo(path, uid, gid);
    chmodSync(path, mode & 0o7777);
    return { name, workName, path, work };
  }

  #isUnchanged({ path, disk }: ContentPair): boolean {
    const lower = lowerFile(this.#layers, path);
    return lower !== undefined && sameContent(toFsPath(lower.path), disk);
  }
}

/** Indexes of each directory's last place: the kernel takes none twice, and what lies lower is hidden by the same thing above. */
function topmost(layers: readonly string[]): number[] {
  return [...layers.keys()].filter((index) => layers.indexOf(layers[index] ?? '', index + 1) < 0);
}

function lowerName(index: number): string {
  return `l/${index.toString(36)}`;
}
