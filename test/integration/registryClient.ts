import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createDockerKeychain } from '../../src/credentials/keychain.ts';
import type { EventListener } from '../../src/events.ts';
import { createHttpClient } from '../../src/http/client.ts';
import { digestOf } from '../../src/image/digest.ts';
import type { Layer } from '../../src/image/image.ts';
import { encodeManifest } from '../../src/image/manifest.ts';
import { MEDIA_TYPES } from '../../src/image/mediaType.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import type { RegistryClient } from '../../src/registry/client.ts';
import type { RegistryOptions } from '../../src/registry/options.ts';
import type { ImagePush } from '../../src/registry/pushImage.ts';
import { openBlobStore } from '../../src/store/blobStore.ts';
import type { BlobStore } from '../../src/store/blobStore.ts';

export interface ClientSettings {
  readonly options?: Partial<RegistryOptions>;
  readonly environment?: Readonly<Record<string, string>>;
  /** A docker configuration, as a value. */
  readonly config?: object;
  readonly listener?: EventListener;
  /** Milliseconds. */
  readonly idleTimeout?: number;
}

/** A client that never waits between tries, with no credentials but those given. */
export function testClient(t: TestContext, settings: ClientSettings = {}): RegistryClient {
  const environment = {
    HOME: '/nonexistent',
    ...settings.environment,
    ...(settings.config === undefined ? {} : { DOCKER_AUTH_CONFIG: JSON.stringify(settings.config) }),
  };
  const http = createHttpClient({
    version: 'test',
    environment,
    retry: { sleep: async () => {} },
    timeouts: settings.idleTimeout === undefined ? {} : { idle: settings.idleTimeout },
  });
  t.after(() => http.close());
  return createRegistryClient({
    http,
    keychain: createDockerKeychain({ environment }),
    options: {
      insecurePush: false,
      insecurePull: false,
      insecureRegistries: [],
      skipTlsVerify: false,
      skipTlsVerifyPull: false,
      skipTlsVerifyRegistries: [],
      certificates: new Map(),
      ...settings.options,
    },
    ...(settings.listener === undefined ? {} : { listener: settings.listener }),
  });
}

/** A blob store that goes with the test. */
export function testStore(t: TestContext): BlobStore {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-blobs-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return openBlobStore(directory);
}

/** An image of random layers of these sizes, in the store; not one that could run. */
export function testImage(store: BlobStore, sizes: readonly number[]): Omit<ImagePush, 'destinations'> {
  const layers = sizes.map((size): Layer => {
    const writer = store.create();
    writer.write(randomBytes(size));
    const blob = writer.commit();
    return {
      descriptor: { mediaType: MEDIA_TYPES.docker.layerGzip, ...blob },
      diffId: blob.digest,
      locations: [{ kind: 'store' }],
    };
  });
  const configBytes = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Env: ['A=b'] },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    }),
  );
  const bytes = encodeManifest(
    { format: 'docker', layers },
    { digest: digestOf(configBytes), size: configBytes.length },
  );
  return { manifest: { bytes, mediaType: MEDIA_TYPES.docker.manifest }, configBytes, layers };
}
