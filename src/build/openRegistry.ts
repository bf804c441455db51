import type { Keychain } from '../credentials/keychain.ts';
import type { EventListener } from '../events.ts';
import type { HttpClient } from '../http/client.ts';
import type { Layer } from '../image/image.ts';
import type { RegistryClient } from '../registry/client.ts';
import { parseReference } from '../registry/reference.ts';
import type { BlobStore } from '../store/blobStore.ts';
import { version } from '../version.ts';
import type { BuildRequest } from './request.ts';

/** Registries as a build uses them; nothing of it is loaded before it is needed. */
export interface RegistryAccess {
  http(): Promise<HttpClient>;
  client(): Promise<RegistryClient>;
  pull(store: BlobStore, layer: Layer, signal: AbortSignal | undefined): Promise<void>;
  /** Reads what will be needed of this machine's files, and asks credential helpers for these images' registries. */
  readAhead(references: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export interface RegistryInputs {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly listener: EventListener;
  /** Whether the machine's programs and their libraries are in their places. */
  readonly mayRunPrograms: () => boolean;
}

export function openRegistry(
  request: BuildRequest,
  { environment, listener, mayRunPrograms }: RegistryInputs,
): RegistryAccess {
  let http: Promise<HttpClient> | undefined;
  let client: Promise<RegistryClient> | undefined;
  let keychain: Keychain | undefined;
  const openHttp = async (): Promise<HttpClient> => {
    const { createHttpClient } = await import('../http/client.ts');
    return createHttpClient({ environment, version });
  };
  const openClient = async (): Promise<RegistryClient> => {
    const [{ createRegistryClient }, { createDockerKeychain }, { rememberAnswers }] = await Promise.all([
      import('../registry/client.ts'),
      import('../credentials/keychain.ts'),
      import('../credentials/rememberAnswers.ts'),
    ]);
    keychain = createDockerKeychain({ environment, runHelper: rememberAnswers(mayRunPrograms) });
    return createRegistryClient({
      options: request.registry,
      keychain,
      http: await (http ??= openHttp()),
      listener,
    });
  };
  return {
    http: () => (http ??= openHttp()),
    client: () => (client ??= openClient()),
    async pull(store, layer, signal) {
      await (await (client ??= openClient())).pullBlob(store, layer, signal === undefined ? {} : { signal });
    },
    async readAhead(references) {
      await (client ??= openClient());
      // A fault in them is said when they are used.
      for (const { registry, repository } of references.map(parseReference)) {
        await keychain?.lookup(registry, repository).catch(() => undefined);
      }
    },
    async close() {
      if (http !== undefined) (await http).close();
    },
  };
}
