import type { EventListener } from '../events.ts';
import type { HttpClient } from '../http/client.ts';
import type { Layer } from '../image/image.ts';
import type { RegistryClient } from '../registry/client.ts';
import type { BlobStore } from '../store/blobStore.ts';
import { version } from '../version.ts';
import type { BuildRequest } from './request.ts';

/** Registries as a build uses them; nothing of it is loaded before it is needed. */
export interface RegistryAccess {
  http(): Promise<HttpClient>;
  client(): Promise<RegistryClient>;
  pull(store: BlobStore, layer: Layer, signal: AbortSignal | undefined): Promise<void>;
  close(): Promise<void>;
}

export function openRegistry(
  request: BuildRequest,
  environment: Readonly<Record<string, string | undefined>>,
  listener: EventListener,
): RegistryAccess {
  let http: Promise<HttpClient> | undefined;
  let client: Promise<RegistryClient> | undefined;
  const openHttp = async (): Promise<HttpClient> => {
    const { createHttpClient } = await import('../http/client.ts');
    return createHttpClient({ environment, version });
  };
  const openClient = async (): Promise<RegistryClient> => {
    const [{ createRegistryClient }, { createDockerKeychain }] = await Promise.all([
      import('../registry/client.ts'),
      import('../credentials/keychain.ts'),
    ]);
    return createRegistryClient({
      options: request.registry,
      keychain: createDockerKeychain({ environment }),
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
    async close() {
      if (http !== undefined) (await http).close();
    },
  };
}
