import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError, hasErrno } from '../../errors.ts';
import type { StageLabel } from '../../events.ts';
import type { Layer } from '../../image/image.ts';
import { applyChanges } from '../../layer/applyChanges.ts';
import type { LayerStack } from '../../layer/layerDirectories.ts';
import type { Step } from '../../plan/step.ts';
import { openDirectoryRootfs } from '../../rootfs/directoryRootfs.ts';
import { openOverlayRootfs } from '../../rootfs/overlayRootfs.ts';
import type { PlacedFile, Rootfs, RunCommand, RunResult } from '../../rootfs/rootfs.ts';
import type { Changes } from '../../tree/change.ts';
import { diffTrees } from '../../tree/diffTrees.ts';
import { LayerTree } from '../../tree/layerTree.ts';
import { resolveUser, type AccountFiles } from '../../tree/users.ts';
import { compareContents } from '../compareContents.ts';
import { contentsOfLayer } from '../contentsOfLayer.ts';
import { withoutIgnored } from '../ignoredPaths.ts';
import type { ResolvedMounts } from '../mounts/resolveMounts.ts';
import type { BuildSession } from '../session.ts';
import type { HeldRoot } from '../sharedRoot.ts';

export type RunStep = Extract<Step, { kind: 'run' }>;

/** BuildKit's name for the machine a RUN sees. */
const HOSTNAME = 'buildkitsandbox';

/** The RUN steps of one stage, and the root file system they share. It is made real at the first of them. */
export class RunSteps implements AsyncDisposable {
  readonly #session: BuildSession;
  readonly #stage: StageLabel;
  #isolation: 'namespace' | 'in-place' | undefined;
  #stack: LayerStack | undefined;
  /** `/` itself, in place. */
  #held: HeldRoot | undefined;
  #rootfs: Rootfs | undefined;
  /** Whether it is an overlay, which takes what other steps added as a directory. */
  #stacks = true;
  /** What other steps added before the root file system was there. */
  readonly #pending: { readonly changes: Changes; readonly layer: Layer }[] = [];

  constructor(session: BuildSession, stage: StageLabel) {
    this.#session = session;
    this.#stage = stage;
  }

  get isPrepared(): boolean {
    return this.#isolation !== undefined;
  }

  /**
   * Fetches the layers that the stage has so far and, for namespaces, unpacks them. Gives the tree they make if it came to be.
   * @throws BuildError `ISOLATION_UNAVAILABLE` if the mode that was asked for runs no commands
   */
  async prepare(layers: readonly Layer[]): Promise<LayerTree | undefined> {
    this.#isolation = await this.#session.isolation();
    if (this.#isolation === 'in-place') {
      await Promise.all(layers.map((layer) => this.#session.localBlob(layer)));
      return undefined;
    }
    this.#stack = await this.#session.directories.stack(layers);
    return this.#stack.tree;
  }

  /**
   * Waits for `/` where commands run in place; the stage has it from now on. Nothing that another stage needs to get on may be held
   * meanwhile, and no other stage be waited for later.
   */
  async hold(waitForOthers: () => Promise<void>): Promise<void> {
    const { root, signal } = this.#session;
    if (this.#held !== undefined || (await this.#session.isolation()) !== 'in-place') return;
    await waitForOthers();
    this.#held = await root.hold(signal);
  }

  /** Takes over what a step other than RUN changed. */
  add(changes: Changes, layer: Layer): void {
    if (this.isPrepared) this.#pending.push({ changes, layer });
  }

  /**
   * Runs a command and says what it changed.
   * @throws BuildError `RUN_FAILED` with the command's exit code, `ISOLATION_UNAVAILABLE`
   */
  async run(step: RunStep, tree: LayerTree, accounts: AccountFiles, resolved: ResolvedMounts): Promise<Changes> {
    const command = this.#command(step, accounts, resolved);
    const result = await this.#execute(command, tree);
    if (result.exitCode !== 0) throw runFailed(step, result);
    const rootfs = this.#rootfs;
    return rootfs === undefined
      ? []
      : withoutIgnored(await rootfs.changes(tree), this.#session.request.ignorePaths ?? []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rootfs?.close();
    this.#held?.[Symbol.dispose]();
  }

  async #execute(command: RunCommand, tree: LayerTree): Promise<RunResult> {
    if (this.#held !== undefined) return this.#executeInPlace(this.#held, command, tree);
    const first = this.#rootfs === undefined;
    this.#rootfs ??= openOverlayRootfs({ directory: this.#ownDirectory(), layers: this.#stack?.directories ?? [] });
    await this.#addPending(this.#rootfs);
    try {
      return await this.#rootfs.run(command);
    } catch (error) {
      if (!first || !(error instanceof BuildError) || error.code !== 'OVERLAY_UNAVAILABLE') throw error;
      this.#session.log('info', `${error.message}; using a plain directory instead`);
      await this.#rootfs.close();
      this.#rootfs = await this.#openDirectory(tree);
      return this.#rootfs.run(command);
    }
  }

  async #executeInPlace(held: HeldRoot, command: RunCommand, tree: LayerTree): Promise<RunResult> {
    if (this.#rootfs === undefined) {
      // The tree has all that was added before.
      this.#pending.length = 0;
      const { readBlob } = this.#session;
      this.#stacks = false;
      this.#rootfs = await held.open(tree, (pairs) => compareContents(pairs, tree, readBlob));
    }
    await this.#addPending(this.#rootfs);
    return this.#rootfs.run(command);
  }

  async #addPending(rootfs: Rootfs): Promise<void> {
    const { directories, listings } = this.#session;
    for (const { changes, layer } of this.#pending.splice(0)) {
      // Whoever writes the changes reads them from the layer, as their sources may be gone.
      const kept = this.#stacks ? changes : await contentsOfLayer(changes, layer, listings);
      await rootfs.add({ changes: kept, directory: () => directories.own(layer) });
    }
  }

  async #openDirectory(tree: LayerTree): Promise<Rootfs> {
    const { readBlob } = this.#session;
    const directory = this.#ownDirectory();
    const apply = (changes: Changes, target: string): Promise<void> => applyChanges(changes, target, readBlob);
    mkdirSync(join(directory, 'tree'), { recursive: true, mode: 0o755 });
    await apply(diffTrees(LayerTree.empty(), tree), join(directory, 'tree'));
    this.#stacks = false;
    return openDirectoryRootfs({
      directory,
      apply,
      compareContents: (pairs) => compareContents(pairs, tree, readBlob),
    });
  }

  #ownDirectory(): string {
    return mkdtempSync(join(this.#session.scratch, 'rootfs-'));
  }

  #command(step: RunStep, accounts: AccountFiles, resolved: ResolvedMounts): RunCommand {
    const { uid, gid, groups, home } = resolveUser(step.user, accounts);
    const { signal, emit, root } = this.#session;
    const hasHome = step.env.some((entry) => entry.startsWith('HOME='));
    return {
      argv: step.argv,
      env: [...step.env, ...(hasHome ? [] : [`HOME=${home}`]), ...resolved.env],
      user: { uid, gid, groups },
      workingDirectory: step.workingDirectory,
      hostname: HOSTNAME,
      network: step.network === 'none' ? 'none' : 'host',
      files: [...machineFiles(root), ...scriptOf(step)],
      mounts: resolved.mounts,
      onOutput: (stream, chunk) => emit({ kind: 'output', stage: this.#stage, stream, chunk }),
      ...(signal === undefined ? {} : { signal }),
    };
  }
}

/** What a container finds in /etc of the machine it runs on. */
function machineFiles(root: BuildSession['root']): PlacedFile[] {
  return [
    machineFile('/etc/hostname', `${HOSTNAME}\n`),
    machineFile('/etc/hosts', `${readIfThere(root.resolve('/etc/hosts'))}\n127.0.0.1\t${HOSTNAME}\n`),
    machineFile('/etc/resolv.conf', readIfThere(root.resolve('/etc/resolv.conf'))),
  ];
}

function machineFile(path: string, content: string): PlacedFile {
  return { path, content: Buffer.from(content), mode: 0o644, writable: true };
}

function scriptOf({ script }: RunStep): PlacedFile[] {
  return script === undefined ? [] : [{ path: script.path, content: Buffer.from(script.content), mode: 0o755 }];
}

function readIfThere(path: string | Buffer): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return '';
    throw error;
  }
}

function runFailed(step: RunStep, { exitCode, signal }: RunResult): BuildError {
  const killed = signal === undefined ? '' : ` (killed by ${signal})`;
  return new BuildError(
    'RUN_FAILED',
    `process ${JSON.stringify(step.argv.join(' '))} did not complete successfully: exit code: ${exitCode}${killed}`,
    { exitCode, facts: { exitCode } },
  );
}
