import { Worker } from 'node:worker_threads';
import { BuildError } from '../errors.ts';
import { unpackLayer, type UnpackRequest, type UnpackResult } from './unpackLayer.ts';
import type { UnpackReply } from './unpackWorker.ts';

/** A smaller blob is unpacked for less than a worker costs to start (60 ms of CPU). Bytes, compressed. */
const INLINE_LIMIT = 4 << 20;

/** Unpacks several layers at once, each in a worker thread. Workers start when needed and end with the pool, or before. */
export class UnpackPool {
  readonly #size: number;
  readonly #idle: Worker[] = [];
  readonly #workers = new Set<Worker>();
  readonly #waiting: ((worker: Worker) => void)[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  async unpack(request: UnpackRequest): Promise<UnpackResult> {
    if (request.layer.descriptor.size < INLINE_LIMIT) return unpackLayer(request);
    const worker = await this.#take();
    try {
      return await ask(worker, request);
    } finally {
      this.#release(worker);
    }
  }

  /** Ends the workers that have nothing to do: each holds tens of MB, which a RUN may need. */
  async endIdle(): Promise<void> {
    const idle = this.#idle.splice(0);
    for (const worker of idle) this.#workers.delete(worker);
    await Promise.all(idle.map((worker) => worker.terminate()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.terminate()));
  }

  async #take(): Promise<Worker> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#workers.size >= this.#size) return new Promise((resolve) => this.#waiting.push(resolve));
    return this.#start();
  }

  #start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./unpackWorker.${extension}`, import.meta.url));
    this.#workers.add(worker);
    // Whoever waits for its reply is told by `ask`; nobody may be given it again.
    worker.once('error', () => this.#workers.delete(worker));
    return worker;
  }

  #release(worker: Worker): void {
    const isAlive = this.#workers.has(worker);
    const next = this.#waiting.shift();
    if (next !== undefined) next(isAlive ? worker : this.#start());
    else if (isAlive) this.#idle.push(worker);
  }
}

function ask(worker: Worker, request: UnpackRequest): Promise<UnpackResult> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      worker.off('message', onMessage);
      reject(error);
    };
    const onMessage = (reply: UnpackReply): void => {
      worker.off('error', onError);
      if ('result' in reply) resolve(reply.result);
      else reject(failureOf(reply.failure));
    };
    worker.once('message', onMessage);
    worker.once('error', onError);
    worker.postMessage(request);
  });
}

function failureOf(failure: Extract<UnpackReply, { failure: unknown }>['failure']): Error {
  return failure.code === undefined
    ? new Error(failure.message)
    : new BuildError(failure.code, failure.message, failure.hint === undefined ? {} : { hint: failure.hint });
}
