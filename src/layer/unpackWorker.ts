import { parentPort } from 'node:worker_threads';
import { BuildError, messageOf } from '../errors.ts';
import { unpackLayer, type UnpackRequest, type UnpackResult } from './unpackLayer.ts';

/** A class does not survive a message: what a BuildError was made from does. */
export interface UnpackFailure {
  readonly code: string | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}

export type UnpackReply = { readonly result: UnpackResult } | { readonly failure: UnpackFailure };

// One request at a time: the pool waits for the reply.
parentPort?.on('message', (request: UnpackRequest) => {
  unpackLayer(request).then(
    (result) => parentPort?.postMessage({ result } satisfies UnpackReply, [result.listing.buffer]),
    (error: unknown) => {
      const known = error instanceof BuildError ? error : undefined;
      const failure = { code: known?.code, message: messageOf(error), hint: known?.hint };
      parentPort?.postMessage({ failure } satisfies UnpackReply);
    },
  );
});
