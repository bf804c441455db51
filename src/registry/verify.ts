import { createHash } from 'node:crypto';
import { BuildError } from '../errors.ts';
import { sha256Digest } from '../image/digest.ts';
import type { Digest } from '../image/digest.ts';

/** What a blob has to be: size in bytes and digest. */
export interface Expected {
  readonly digest: Digest;
  readonly size: number;
}

/** Passes bytes on, and ends without error only if they are the expected ones to the last. `what` names their origin. */
export async function* verify(
  bytes: AsyncIterable<Uint8Array>,
  expected: Expected,
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > expected.size) throw sizeMismatch(expected, what, `more than ${expected.size}`);
    hash.update(chunk);
    yield chunk;
  }
  if (size !== expected.size) throw sizeMismatch(expected, what, String(size));
  const actual = sha256Digest(hash.digest('hex'));
  if (actual !== expected.digest) {
    throw new BuildError(
      'BLOB_DIGEST_MISMATCH',
      `${what} should have the digest ${expected.digest}, but what came has ${actual}`,
      {
        hint: 'The registry, or a proxy before it, delivers damaged or forged content.',
        facts: { expected: expected.digest, actual },
      },
    );
  }
}

/** Passes bytes on, and ends without error only after exactly so many. For what was verified when it was written. */
export async function* verifySize(
  bytes: AsyncIterable<Uint8Array>,
  expected: Expected,
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > expected.size) throw sizeMismatch(expected, what, `more than ${expected.size}`);
    yield chunk;
  }
  if (size !== expected.size) throw sizeMismatch(expected, what, String(size));
}

export function sizeMismatch(expected: Expected, what: string, actual: string): BuildError {
  return new BuildError('BLOB_SIZE_MISMATCH', `${what} should have ${expected.size} bytes, but ${actual} came`, {
    facts: { expected: expected.size, actual },
  });
}
