import { BuildError } from '../errors.ts';
import type { BlobStore, BlobWriter } from '../store/blobStore.ts';
import type { BlobSource, CallOptions, RegistryContext, Repository } from './context.ts';
import { downloadBlob } from './openBlob.ts';

/** See `RegistryClient.pullBlob`. */
export async function pullBlob(
  context: RegistryContext,
  store: BlobStore,
  { descriptor, locations }: BlobSource,
  { signal }: CallOptions,
): Promise<void> {
  const present = store.has(descriptor.digest);
  if (present === descriptor.size) return;
  // A power cut can leave a file that is too short.
  if (present !== undefined) store.remove(descriptor.digest);
  let failure: unknown = new BuildError('BLOB_MISSING', `No registry is known that has the blob ${descriptor.digest}`);
  for (const location of locations) {
    if (location.kind !== 'registry') continue;
    try {
      await pullFrom(context, store, location, descriptor, signal);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}

/** Bytes that turn out wrong are fetched once more from the start: a kept part, or the way, may have been damaged. */
async function pullFrom(
  context: RegistryContext,
  store: BlobStore,
  location: Repository,
  descriptor: BlobSource['descriptor'],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const writer of [(): BlobWriter => store.resume(descriptor.digest), (): BlobWriter => store.create()]) {
    try {
      await pullInto(context, writer(), location, descriptor, signal);
      return;
    } catch (error) {
      if (!(error instanceof BuildError) || error.code !== 'BLOB_DIGEST_MISMATCH') throw error;
      context.listener?.({ kind: 'log', level: 'warn', message: `${error.message}; trying once more` });
    }
  }
  throw new BuildError(
    'BLOB_DIGEST_MISMATCH',
    `What ${location.registry}/${location.repository} delivers as ${descriptor.digest} is something else`,
    {
      hint: 'The registry, or a proxy before it, delivers damaged or forged content.',
      facts: { expected: descriptor.digest },
    },
  );
}

async function pullInto(
  context: RegistryContext,
  writer: BlobWriter,
  location: Repository,
  descriptor: BlobSource['descriptor'],
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    for await (const chunk of downloadBlob(context, location, descriptor, writer.size, signal)) writer.write(chunk);
  } catch (error) {
    if (writer.size > 0 && writer.size < descriptor.size) writer.suspend(descriptor.digest);
    else writer.abort();
    throw error;
  }
  writer.commit(descriptor);
}
