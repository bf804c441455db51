import { join } from 'node:path';
import { mkdtempSync } from 'node:fs';
import { applyChanges, type RefusedAttribute } from '../layer/applyChanges.ts';
import { applyAttributes } from '../layer/layerDirectoryWriter.ts';
import { BorrowedRoot } from '../rootfs/borrowRoot.ts';
import { changesOutside } from '../rootfs/changesOutside.ts';
import { openInPlaceRootfs } from '../rootfs/inPlaceRootfs.ts';
import { Leftovers } from '../rootfs/leftovers.ts';
import { removeOutside } from '../rootfs/removeOutside.ts';
import type { CompareContents, Rootfs } from '../rootfs/rootfs.ts';
import type { Changes } from '../tree/change.ts';
import { diffTrees } from '../tree/diffTrees.ts';
import { LayerTree } from '../tree/layerTree.ts';
import type { TreePath } from '../tree/tree.ts';
import type { ReadBlob } from './localContents.ts';

export interface SharedRootOptions {
  /** Where `BorrowedRoot` keeps its journal. */
  readonly directory: string;
  readonly scratch: string;
  readonly own: readonly string[];
  readonly readBlob: ReadBlob;
  readonly log: (level: 'info' | 'warn' | 'debug', message: string) => void;
  /** Reads what will be needed of the container's files, while they are in their places. */
  readonly beforeBorrowing: () => Promise<void>;
}

/** `/` in the hands of one stage. */
export interface HeldRoot extends Disposable {
  /** Unpacks a tree into `/`, which is emptied before. */
  open(tree: LayerTree, compareContents: CompareContents): Promise<Rootfs>;
}

/**
 * `/` as the stages of a build share it where commands run in place. The first that needs it borrows it from the container; it is put
 * back when the last is done. Whoever reads the container's files meanwhile asks where they lie.
 */
export class SharedRoot implements Disposable {
  readonly #options: SharedRootOptions;
  #turn: Promise<void> = Promise.resolve();
  #readers = 0;
  #onQuiet: (() => void) | undefined;
  #borrowing: Promise<void> | undefined;
  #borrowed: { readonly root: BorrowedRoot; readonly leftovers: Leftovers; readonly cwd: string } | undefined;
  readonly #atExit = (): void => {
    this.#borrowed?.leftovers.endNow();
    this[Symbol.dispose]();
  };

  constructor(options: SharedRootOptions) {
    this.#options = options;
  }

  get isBorrowed(): boolean {
    return this.#borrowed !== undefined;
  }

  /**
   * Waits until no other stage has `/`, and borrows it if nobody did before.
   * @throws the signal's reason
   */
  async hold(signal: AbortSignal | undefined): Promise<HeldRoot> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#turn;
    this.#turn = before.then(() => promise);
    try {
      await before;
      signal?.throwIfAborted();
      await this.#borrow();
    } catch (error) {
      resolve();
      throw error;
    }
    return {
      open: (tree, compareContents) => this.#fill(tree, compareContents),
      [Symbol.dispose]: resolve,
    };
  }

  /** A task that reads the container's files: they do not move while it runs. */
  async reading<T>(task: () => Promise<T>): Promise<T> {
    while (this.#borrowing !== undefined) await this.#borrowing;
    this.#readers++;
    try {
      return await task();
    } finally {
      this.#readers--;
      if (this.#readers === 0) this.#onQuiet?.();
    }
  }

  /** Where a file of the container lies now; links on the way are not followed. */
  whereIs(path: string | Buffer): string | Buffer {
    return this.#borrowed?.root.whereIs(path) ?? path;
  }

  /** The same with links followed as the container has them. */
  resolve(path: string): string | Buffer {
    return this.#borrowed?.root.resolve(path) ?? path;
  }

  /** Puts `/` back. Nothing may be at work in it. Safe to call twice. */
  [Symbol.dispose](): void {
    if (this.#borrowed === undefined) return;
    const { root, leftovers, cwd } = this.#borrowed;
    root.putBack();
    this.#borrowed = undefined;
    leftovers[Symbol.dispose]();
    process.off('exit', this.#atExit);
    process.chdir(cwd);
  }

  async #borrow(): Promise<void> {
    if (this.#borrowed !== undefined) return;
    const { beforeBorrowing, directory, own, log } = this.#options;
    await beforeBorrowing();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#borrowing = promise;
    try {
      if (this.#readers > 0) await new Promise<void>((quiet) => (this.#onQuiet = quiet));
      const cwd = process.cwd();
      process.chdir('/');
      const root = BorrowedRoot.borrow({ directory, own });
      this.#borrowed = { root, leftovers: new Leftovers(), cwd };
      process.on('exit', this.#atExit);
      log('debug', `/ is set aside but for ${[...root.stays.paths].map((path) => `/${path}`).join(' ')}`);
    } finally {
      this.#onQuiet = undefined;
      this.#borrowing = undefined;
      resolve();
    }
  }

  async #fill(tree: LayerTree, compareContents: CompareContents): Promise<Rootfs> {
    if (this.#borrowed === undefined) throw new Error('/ is not borrowed');
    const { root, leftovers } = this.#borrowed;
    const { readBlob, scratch, log } = this.#options;
    const { stays } = root;
    root.wipe();
    const refused = new Map<TreePath, Set<RefusedAttribute>>();
    const apply = (changes: Changes): Promise<void> =>
      applyChanges(changesOutside(changes, stays), '/', readBlob, {
        remove: (path) => removeOutside(path, '/', stays),
        onRefused(path, attribute) {
          const known = refused.get(path);
          if (known === undefined) refused.set(path, new Set([attribute]));
          else known.add(attribute);
        },
      });
    await apply(diffTrees(LayerTree.empty(), tree));
    applyAttributes('/', tree.entry(tree.root));
    if (refused.size > 0)
      log('debug', `${refused.size} files have an owner, a mode or attributes that can't be set here`);
    return openInPlaceRootfs({
      root: '/',
      directory: mkdtempSync(join(scratch, 'in-place-')),
      stays,
      tree,
      leftovers,
      refused,
      apply,
      compareContents,
      log,
    });
  }
}
