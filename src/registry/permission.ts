import { BuildError, messageOf } from '../errors.ts';
import type { CallOptions, RegistryContext, Repository } from './context.ts';
import { startUpload } from './uploadBlob.ts';

/** See `RegistryClient.checkPushPermission`. */
export async function checkPushPermission(
  context: RegistryContext,
  target: Repository,
  { signal }: CallOptions,
): Promise<void> {
  const session = context.session(target.registry, 'push');
  try {
    const upload = await startUpload(session, target, undefined, undefined, signal);
    if (upload === 'mounted') return;
    await cancel(upload);
  } catch (error) {
    signal?.throwIfAborted();
    throw new BuildError(
      'PUSH_NOT_PERMITTED',
      `error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: ${messageOf(error)}`,
      {
        cause: error,
        ...(error instanceof BuildError ? { facts: error.facts } : {}),
        ...(error instanceof BuildError && error.hint !== undefined ? { hint: error.hint } : {}),
      },
    );
  }

  /** Not every registry can; an upload that was only begun is then collected by the registry. */
  async function cancel(upload: URL): Promise<void> {
    try {
      const { response } = await session.send({
        method: 'DELETE',
        target: upload,
        scopes: [{ repository: target.repository, actions: 'pull,push' }],
        retry: false,
        ...(signal === undefined ? {} : { signal }),
      });
      await response.discard();
    } catch (error) {
      context.listener?.({
        kind: 'log',
        level: 'debug',
        message: `The trial upload was not cancelled: ${messageOf(error)}`,
      });
    }
  }
}
