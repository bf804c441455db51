import { chmodSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { giveTo } from '../../linux/owner.ts';

export interface AgentSocket extends AsyncDisposable {
  readonly path: string;
}

/**
 * A socket that leads to an ssh agent's, with an owner and mode of its own: the user of a RUN may not open the agent's.
 * @param agent says where it is now
 * @param path must not exist
 */
export async function openAgentSocket(
  agent: () => string,
  path: string,
  { mode, uid, gid }: { readonly mode: number; readonly uid: number; readonly gid: number },
): Promise<AgentSocket> {
  const server = createServer((client) => {
    const upstream = connect(agent());
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  server.listen(path);
  await once(server, 'listening');
  giveTo(path, uid, gid);
  chmodSync(path, mode);
  return {
    path,
    async [Symbol.asyncDispose]() {
      server.close();
      server.unref();
    },
  };
}
