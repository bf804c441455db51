import type { EventListener } from '../events.ts';
import type { HttpClient } from '../http/client.ts';
import type { Layer } from '../image/image.ts';
import type { Direction } from './endpoint.ts';
import type { Session } from './session.ts';

/** A `Layer`, or any other blob. */
export type BlobSource = Pick<Layer, 'descriptor' | 'locations'>;

/** A repository of a registry, as in `Reference`. */
export interface Repository {
  readonly registry: string;
  readonly repository: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export type UploadOutcome = 'existed' | 'mounted' | 'uploaded';

/** What the operations share. */
export interface RegistryContext {
  readonly http: HttpClient;
  readonly listener: EventListener | undefined;
  session(registry: string, direction: Direction): Session;
}
