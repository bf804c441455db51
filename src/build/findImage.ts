import { BuildError, messageOf } from '../errors.ts';
import type { LogLevel } from '../events.ts';
import type { Image } from '../image/image.ts';
import type { Platform } from '../image/platform.ts';
import type { RegistryClient } from '../registry/client.ts';
import { mirroredReferences, type Mirrors } from '../registry/mirrors.ts';
import { formatReference, type Reference } from '../registry/reference.ts';

export interface FindImageOptions {
  readonly client: RegistryClient;
  readonly mirrors: Mirrors;
  readonly platform: Platform;
  readonly signal: AbortSignal | undefined;
  readonly log: (level: LogLevel, message: string) => void;
}

/** An image from the first mirror that has it, else from its own registry. @throws BuildError `IMAGE_NOT_MIRRORED`, as `resolveImage` */
export async function findImage(reference: Reference, options: FindImageOptions): Promise<Image> {
  const { client, mirrors, platform, signal, log } = options;
  const call = signal === undefined ? {} : { signal };
  const candidates = mirroredReferences(reference, mirrors);
  for (const candidate of candidates) {
    if (candidate === reference) break;
    try {
      return await client.resolveImage(candidate, platform, call);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof BuildError)) throw error;
      log(
        'warn',
        `Failed to retrieve image ${formatReference(candidate)}: ${messageOf(error)}; trying the next registry`,
      );
    }
  }
  if (candidates.includes(reference)) return client.resolveImage(reference, platform, call);
  throw new BuildError(
    'IMAGE_NOT_MIRRORED',
    `image not found on any configured mapped registries for ${formatReference(reference)}`,
    { hint: 'Leave out --skip-default-registry-fallback to ask its own registry.' },
  );
}
