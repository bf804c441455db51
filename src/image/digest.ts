import { createHash } from 'node:crypto';
import { BuildError } from '../errors.ts';

declare const digest: unique symbol;

/** `sha256:` and 64 lower-case hex digits; made only by `parseDigest`, `digestOf` and `sha256Digest`. */
export type Digest = string & { readonly [digest]: 'Digest' };

const DIGEST = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** Strict, because digests become paths. @throws BuildError `DIGEST_INVALID` */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new BuildError('DIGEST_INVALID', `invalid digest ${JSON.stringify(text.slice(0, 100))}`, {
    hint: 'A digest is sha256: and 64 lower-case hexadecimal digits.',
  });
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

/** The digest for what `hash.digest('hex')` of a sha256 gave. */
export function sha256Digest(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}

/** The hexadecimal part. */
export function digestHex(value: Digest): string {
  return value.slice('sha256:'.length);
}
