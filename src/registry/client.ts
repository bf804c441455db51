// The distribution protocol (OCI distribution specification): blobs and manifests in and out of registries.
import type { Keychain } from '../credentials/keychain.ts';
import type { EventListener } from '../events.ts';
import type { HttpClient } from '../http/client.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import type { Image } from '../image/image.ts';
import type { Platform } from '../image/platform.ts';
import type { BlobStore } from '../store/blobStore.ts';
import type { BlobSource, CallOptions, RegistryContext, Repository, UploadOutcome } from './context.ts';
import { endpointOf } from './endpoint.ts';
import { getManifest, putManifest } from './manifest.ts';
import type { FetchedManifest } from './manifest.ts';
import { openBlob } from './openBlob.ts';
import type { RegistryOptions } from './options.ts';
import { checkPushPermission } from './permission.ts';
import { pullBlob } from './pullBlob.ts';
import type { Reference } from './reference.ts';
import { resolveImage } from './resolveImage.ts';
import { createSession } from './session.ts';
import type { Session } from './session.ts';
import { hasBlob, uploadBlob } from './uploadBlob.ts';

/**
 * Registries as one thing. Everything that comes is verified by digest and size before it is handed on as whole; every
 * method throws BuildErrors whose codes are listed at `registryFailure`, `verify` and `HttpClient.request`.
 */
export interface RegistryClient {
  /** The bytes as served, verified against the reference's digest, or the one the registry names. At most 4 MiB. */
  getManifest(
    reference: Reference,
    options?: CallOptions & { readonly accept?: readonly string[] },
  ): Promise<FetchedManifest>;
  /**
   * Manifest and configuration, no layer. Of an index the manifest for the platform.
   * @throws BuildError also `IMAGE_PLATFORM_MISSING`, `IMAGE_WINDOWS`, `MANIFEST_SCHEMA1`, `IMAGE_UNSUPPORTED`
   */
  resolveImage(reference: Reference, platform: Platform, options?: CallOptions): Promise<Image>;
  /** Goes on after a cut by Range; ends without error only if size and digest are right. Foreign layers come from their `urls`. */
  openBlob(location: Repository, descriptor: Descriptor, options?: CallOptions): AsyncIterable<Uint8Array>;
  /**
   * Makes sure a layer's blob is in the local store, from the first of its locations that has it. One download per blob
   * at a time; what a broken one brought is kept, and the next goes on from there.
   * @throws BuildError also `BLOB_MISSING` if it has no location in a registry
   */
  pullBlob(store: BlobStore, layer: BlobSource, options?: CallOptions): Promise<void>;
  hasBlob(target: Repository, digest: Digest, options?: CallOptions): Promise<boolean>;
  /**
   * Makes sure a blob is in a repository: found there, mounted from another repository of the registry, or uploaded.
   * `open` is called once per try. Retried as a blob. Once it is there, later calls for it return at once.
   */
  uploadBlob(
    target: Repository,
    blob: { readonly digest: Digest; readonly size: number },
    open: () => AsyncIterable<Uint8Array>,
    options?: CallOptions & { readonly mountFrom?: string },
  ): Promise<UploadOutcome>;
  putManifest(reference: Reference, bytes: Uint8Array, mediaType: string, options?: CallOptions): Promise<Digest>;
  /** Starts an upload and takes it back. @throws BuildError `PUSH_NOT_PERMITTED` with kaniko's text */
  checkPushPermission(target: Repository, options?: CallOptions): Promise<void>;
}

export interface RegistryClientOptions {
  readonly options: RegistryOptions;
  readonly keychain: Keychain;
  readonly http: HttpClient;
  readonly listener?: EventListener;
}

export function createRegistryClient({ options, keychain, http, listener }: RegistryClientOptions): RegistryClient {
  const sessions = new Map<string, Session>();
  const uploads = new Map<string, Promise<UploadOutcome>>();
  const downloads = new Map<string, Promise<void>>();
  const context: RegistryContext = {
    http,
    listener,
    session(registry, direction) {
      const endpoint = endpointOf(registry, direction, options);
      const key = JSON.stringify(endpoint);
      let session = sessions.get(key);
      if (session === undefined) sessions.set(key, (session = createSession(endpoint, http, keychain)));
      return session;
    },
  };
  return {
    getManifest: (reference, call = {}) => getManifest(context, reference, call),
    resolveImage: (reference, platform, call = {}) => resolveImage(context, reference, platform, call),
    openBlob: (location, descriptor, call = {}) => openBlob(context, location, descriptor, call),
    pullBlob(store, layer, call = {}) {
      const key = JSON.stringify([store.directory, layer.descriptor.digest]);
      let download = downloads.get(key);
      if (download === undefined) {
        download = pullBlob(context, store, layer, call).finally(() => downloads.delete(key));
        downloads.set(key, download);
      }
      return download;
    },
    hasBlob: (target, digest, call = {}) => hasBlob(context, target, digest, call),
    uploadBlob(target, blob, open, call = {}) {
      const key = JSON.stringify([target.registry, target.repository, blob.digest]);
      const running = uploads.get(key);
      if (running !== undefined) return running.then(() => 'existed');
      const upload = uploadBlob(context, target, blob, open, call);
      uploads.set(key, upload);
      upload.catch(() => uploads.delete(key));
      return upload;
    },
    putManifest: (reference, bytes, mediaType, call = {}) => putManifest(context, reference, bytes, mediaType, call),
    checkPushPermission: (target, call = {}) => checkPushPermission(context, target, call),
  };
}
