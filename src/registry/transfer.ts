import type { EventListener } from '../events.ts';
import type { Expected } from './verify.ts';

const PERIOD_MILLISECONDS = 100;

/** Passes bytes on and reports how many, some ten times a second and at the end. `before` were there already. */
export async function* reportTransfer(
  bytes: AsyncIterable<Uint8Array>,
  direction: 'download' | 'upload',
  blob: Expected,
  listener: EventListener | undefined,
  before = 0,
): AsyncGenerator<Uint8Array, void, undefined> {
  let done = before;
  let reported = performance.now();
  const report = (): void => listener?.({ kind: 'transfer', direction, digest: blob.digest, done, total: blob.size });
  for await (const chunk of bytes) {
    done += chunk.length;
    yield chunk;
    const now = performance.now();
    if (now - reported >= PERIOD_MILLISECONDS && done < blob.size) {
      reported = now;
      report();
    }
  }
  report();
}
