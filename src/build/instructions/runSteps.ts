import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError, hasErrno } from '../../errors.ts';
import type { StageLabel } from '../../events.ts';
import type { Layer } from '../../image/image.ts';
import { applyChanges } from '../../layer/applyChanges.ts';
import type { LayerStack } from '../../layer/layerDirectories.ts';
import { readCapabilities } from '../../linux/capabilities.ts';
import type { Step } from '../../plan/step.ts';
import { openDirectoryRootfs } from '../../rootfs/directoryRootfs.ts';
import { openOverlayRootfs } from '../../rootfs/overlayRootfs.ts';
import { probeIsolation } from '../../rootfs/probeIsolation.ts';
import type { PlacedFile, Rootfs, RunCommand, RunResult } from '../../rootfs/rootfs.ts';
import type { Changes } from '../../tree/change.ts';
import { diffTrees } from '../../tree/diffTrees.ts';
import { LayerTree } from '../../tree/layerTree.ts';
import { resolveUser, type AccountFiles } from '../../tree/users.ts';
import type { ResolvedMounts } from '../mounts/resolveMounts.ts';
import type { BuildSession } from '../session.ts';

export type RunStep = Extract<Step, { kind: 'run' }>;

/** BuildKit's name for the machine a RUN sees. */
const HOSTNAME = 'buildkitsandbox';

/** The RUN steps of one stage, and the root file system they share. It is made real at the first of them. */
export class RunSteps implements AsyncDisposable {
  readonly #session: BuildSession;
  readonly #stage: StageLabel;
  #stack: LayerStack | undefined;
  #rootfs: Rootfs | undefined;
  /** What other steps added before the root file system was there. */
  readonly #pending: { readonly changes: Changes; readonly layer: Layer }[] = [];

  constructor(session: BuildSession, stage: StageLabel) {
    this.#session = session;
    this.#stage = stage;
  }

  get isPrepared(): boolean {
    return this.#stack !== undefined;
  }

  /**
   * Unpacks the layers that the stage has so far.
   * @throws BuildError `ISOLATION_UNAVAILABLE` if the mode that was asked for runs no commands
   */
  async prepare(layers: readonly Layer[]): Promise<LayerStack> {
    await requireMachine(this.#session);
    this.#stack = await this.#session.directories.stack(layers);
    return this.#stack;
  }

  /** Takes over what a step other than RUN changed. */
  add(changes: Changes, layer: Layer): void {
    if (this.#stack !== undefined) this.#pending.push({ changes, layer });
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
    return rootfs === undefined ? [] : rootfs.changes(tree);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rootfs?.close();
  }

  async #execute(command: RunCommand, tree: LayerTree): Promise<RunResult> {
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

  async #addPending(rootfs: Rootfs): Promise<void> {
    for (const { changes, layer } of this.#pending.splice(0)) {
      await rootfs.add({ changes, directory: () => this.#session.directories.own(layer) });
    }
  }

  async #openDirectory(tree: LayerTree): Promise<Rootfs> {
    const { readBlob } = this.#session;
    const directory = this.#ownDirectory();
    const apply = (changes: Changes, target: string): Promise<void> => applyChanges(changes, target, readBlob);
    mkdirSync(join(directory, 'tree'), { recursive: true, mode: 0o755 });
    await apply(diffTrees(LayerTree.empty(), tree), join(directory, 'tree'));
    return openDirectoryRootfs({ directory, apply });
  }

  #ownDirectory(): string {
    return mkdtempSync(join(this.#session.scratch, 'rootfs-'));
  }

  #command(step: RunStep, accounts: AccountFiles, resolved: ResolvedMounts): RunCommand {
    const { uid, gid, groups, home } = resolveUser(step.user, accounts);
    const { signal, emit } = this.#session;
    const hasHome = step.env.some((entry) => entry.startsWith('HOME='));
    return {
      argv: step.argv,
      env: [...step.env, ...(hasHome ? [] : [`HOME=${home}`]), ...resolved.env],
      user: { uid, gid, groups },
      workingDirectory: step.workingDirectory,
      hostname: HOSTNAME,
      network: step.network === 'none' ? 'none' : 'host',
      files: [...machineFiles(), ...scriptOf(step)],
      mounts: resolved.mounts,
      onOutput: (stream, chunk) => emit({ kind: 'output', stage: this.#stage, stream, chunk }),
      ...(signal === undefined ? {} : { signal }),
    };
  }
}

/** Finds out before anything is unpacked. */
async function requireMachine({ request, scratch, signal }: BuildSession): Promise<void> {
  if (request.isolation === 'none') {
    throw new BuildError(
      'ISOLATION_UNAVAILABLE',
      'a RUN instruction needs a machine, and --isolation=none gives none',
      {
        hint: 'Leave --isolation out, or build a Dockerfile without RUN.',
      },
    );
  }
  if (request.isolation === 'in-place') {
    throw new BuildError('ISOLATION_UNAVAILABLE', '--isolation=in-place is not supported yet', {
      hint: WHERE_RUN_WORKS,
    });
  }
  // Trying costs as much as a RUN: only where it is likely to fail.
  if (process.geteuid?.() === 0 && readCapabilities().effective.has('CAP_SYS_ADMIN')) return;
  const isolation = await probeIsolation(scratch, signal);
  if (isolation.mode === 'namespace') return;
  throw new BuildError('ISOLATION_UNAVAILABLE', `RUN can't be executed here: ${isolation.reason}`, {
    hint: WHERE_RUN_WORKS,
  });
}

const WHERE_RUN_WORKS =
  'RUN needs root with CAP_SYS_ADMIN (a privileged container, or that capability and no AppArmor profile). A Dockerfile without RUN builds anywhere.';

/** What a container finds in /etc of the machine it runs on. */
function machineFiles(): PlacedFile[] {
  return [
    machineFile('/etc/hostname', `${HOSTNAME}\n`),
    machineFile('/etc/hosts', `${readIfThere('/etc/hosts')}\n127.0.0.1\t${HOSTNAME}\n`),
    machineFile('/etc/resolv.conf', readIfThere('/etc/resolv.conf')),
  ];
}

function machineFile(path: string, content: string): PlacedFile {
  return { path, content: Buffer.from(content), mode: 0o644, writable: true };
}

function scriptOf({ script }: RunStep): PlacedFile[] {
  return script === undefined ? [] : [{ path: script.path, content: Buffer.from(script.content), mode: 0o755 }];
}

function readIfThere(path: string): string {
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
