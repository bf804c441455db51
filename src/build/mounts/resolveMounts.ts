import { join } from 'node:path';
import { BuildError } from '../../errors.ts';
import { readIdMaps } from '../../linux/idMap.ts';
import { idMapEnding } from '../../linux/idMapEnding.ts';
import type { FileSource, RunMount } from '../../plan/step.ts';
import type { RootfsMount } from '../../rootfs/rootfs.ts';
import type { Tree } from '../../tree/tree.ts';
import type { BuildSession } from '../session.ts';
import { openAgentSocket } from './agentSocket.ts';
import { holdCache } from './cacheMounts.ts';
import { materialise } from './materialise.ts';
import { secretValue } from './secretValue.ts';

/** What the mounts of one RUN come to; held until disposed. */
export interface ResolvedMounts extends AsyncDisposable {
  readonly mounts: readonly RootfsMount[];
  /** `NAME=value` for secrets and agents. */
  readonly env: readonly string[];
}

export interface MountInputs {
  readonly session: BuildSession;
  readonly source: (from: FileSource) => Promise<Tree>;
  /** Of this step. */
  readonly scratch: string;
}

/**
 * Makes ready what the `--mount` flags of a RUN ask for.
 * @throws BuildError `MOUNT_SOURCE_MISSING`, `SECRET_MISSING`, `SECRET_UNREADABLE`, `SSH_AGENT_MISSING`
 */
export async function resolveMounts(mounts: readonly RunMount[], inputs: MountInputs): Promise<ResolvedMounts> {
  await using held = new AsyncDisposableStack();
  const resolved: RootfsMount[] = [];
  const env: string[] = [];
  for (const [index, mount] of mounts.entries()) {
    switch (mount.type) {
      case 'bind':
        resolved.push(await bindMount(mount, inputs));
        break;
      case 'cache':
        resolved.push(await cacheMount(mount, mounts, inputs, held));
        break;
      case 'tmpfs':
        resolved.push({ kind: 'tmpfs', target: mount.target, mode: 0o777, ...sizeOf(mount.size) });
        break;
      case 'secret':
        resolved.push(...secretMount(mount, inputs.session, env));
        break;
      case 'ssh':
        resolved.push(...(await sshMount(mount, inputs, index, held, env)));
    }
  }
  const moved = held.move();
  return { mounts: resolved, env, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

type Mount<T extends RunMount['type']> = Extract<RunMount, { type: T }>;

async function bindMount(mount: Mount<'bind'>, { session, source, scratch }: MountInputs): Promise<RootfsMount> {
  const tree = await source(mount.from);
  // A copy of this step's own, so writes may go to it: they are thrown away with it.
  const path = await materialise(tree, mount.source, scratch, session.readBlob);
  return { kind: 'bind', source: path, target: mount.target, readOnly: mount.readOnly };
}

async function cacheMount(
  mount: Mount<'cache'>,
  mounts: readonly RunMount[],
  { session, source, scratch }: MountInputs,
  held: AsyncDisposableStack,
): Promise<RootfsMount> {
  const { from } = mount;
  const alone = (await session.isolation()) === 'in-place';
  if (alone && mounts.filter((other) => other.type === 'cache' && other.id === mount.id).length > 1) {
    throw new BuildError('MOUNT_IMPOSSIBLE', `a RUN in place can have the cache ${mount.id} in one place only`, {
      hint: 'Choose one target, or build where namespaces are allowed.',
    });
  }
  const cache = await holdCache(mount, {
    // Owned by others where ids are others.
    directory: join(session.request.dataDirectory, `cache-mounts${idMapEnding(readIdMaps())}`),
    initial:
      from === undefined
        ? undefined
        : async () => materialise(await source(from), mount.source, scratch, session.readBlob),
    signal: session.signal,
    alone,
    onWait: () => session.log('info', `Waiting for the cache mount ${mount.id}, which another RUN holds`),
  });
  held.use(cache);
  return { kind: 'bind', source: cache.directory, target: mount.target, readOnly: mount.readOnly };
}

function secretMount(
  mount: Mount<'secret'>,
  { request, environment, root }: BuildSession,
  env: string[],
): RootfsMount[] {
  const content = secretValue(mount.id, request.secrets ?? [], environment, root);
  if (content === undefined) {
    if (!mount.required) return [];
    throw new BuildError('SECRET_MISSING', `secret ${mount.id}: not found`, {
      hint: `Pass it with --secret id=${mount.id},src=PATH or --secret id=${mount.id},env=NAME.`,
    });
  }
  if (mount.env !== undefined) env.push(`${mount.env}=${content.toString('utf8')}`);
  if (mount.target === undefined) return [];
  const { target, mode, uid, gid } = mount;
  return [{ kind: 'secret', target, content, mode, uid, gid }];
}

async function sshMount(
  mount: Mount<'ssh'>,
  { session, scratch }: MountInputs,
  index: number,
  held: AsyncDisposableStack,
  env: string[],
): Promise<RootfsMount[]> {
  const agent = session.request.sshAgents?.find((candidate) => candidate.id === mount.id);
  if (agent === undefined) {
    if (!mount.required) return [];
    throw new BuildError('SSH_AGENT_MISSING', `unset ssh forward key ${mount.id}`, {
      hint: `Pass it with --ssh ${mount.id}, from $SSH_AUTH_SOCK, or --ssh ${mount.id}=PATH of an agent's socket.`,
    });
  }
  const socket = await openAgentSocket(
    () => session.root.resolve(agent.socket).toString(),
    join(scratch, `agent-${index}`),
    mount,
  );
  held.use(socket);
  const target = mount.target ?? `/run/buildkit/ssh_agent.${index}`;
  env.push(`SSH_AUTH_SOCK=${target}`);
  return [{ kind: 'bind', source: socket.path, target, readOnly: false }];
}

function sizeOf(size: number | undefined): { readonly sizeBytes?: number } {
  return size === undefined ? {} : { sizeBytes: size };
}
