import { chmodSync, constants, openSync, unlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { makeFifo } from '../linux/mknod.ts';

export interface OutputPipe {
  /** For the child; to be closed here once the child has it. */
  readonly writeEnd: number;
  /** Resolves when every holder of the write end is gone. */
  readonly ended: Promise<void>;
}

/**
 * A pipe whose read end calls back. What `child_process` makes is a socket, which a program can't open again by the name
 * /dev/stdout; and anybody in the root may open this one, whatever user the command runs as.
 */
export function makeOutputPipe(path: string, onChunk: (chunk: Uint8Array) => void): OutputPipe {
  makeFifo(path, 0o600);
  chmodSync(path, 0o666);
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeEnd = openSync(path, constants.O_WRONLY);
  unlinkSync(path);
  const socket = new Socket({ fd: readEnd, readable: true, writable: false });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.on('data', onChunk);
  socket.on('error', reject);
  socket.on('close', () => resolve());
  return { writeEnd, ended: promise };
}
