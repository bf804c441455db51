import { BuildError } from '../errors.ts';

/**
 * The values of `--ssh`, as buildx has them: `default` or `id` (the agent at $SSH_AUTH_SOCK), `id=PATH` of an agent's socket.
 * @throws BuildError `FLAG_INVALID`
 */
export function parseSshAgents(
  values: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  absolute: (path: string) => string,
): { id: string; socket: string }[] {
  return values.map((value) => {
    const equals = value.indexOf('=');
    const id = equals < 0 ? value : value.slice(0, equals);
    if (id === '') throw new BuildError('FLAG_INVALID', `invalid --ssh ${JSON.stringify(value)}: the id is empty`);
    const socket = equals < 0 ? environment['SSH_AUTH_SOCK'] : value.slice(equals + 1);
    if (socket !== undefined && socket !== '') return { id, socket: absolute(socket) };
    throw new BuildError('FLAG_INVALID', `--ssh ${id}: no agent: SSH_AUTH_SOCK is not set`, {
      hint: `Start an ssh-agent, or give its socket as --ssh ${id}=PATH.`,
    });
  });
}
