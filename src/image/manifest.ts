import * as v from 'valibot';
import { BuildError, messageOf } from '../errors.ts';
import type { ContainerConfig, ImageConfig } from './config.ts';
import type { Descriptor } from './descriptor.ts';
import { isDigest } from './digest.ts';
import type { Digest } from './digest.ts';
import type { Layer } from './image.ts';
import { formatOfMediaType, isIndexMediaType, MEDIA_TYPES } from './mediaType.ts';
import type { ImageFormat } from './mediaType.ts';

/** OCI image specification, manifest.md, and Docker's schema 2. Fields that we don't know are kept. */
export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** OCI image specification, image-index.md, and Docker's manifest list. */
export interface Index {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export type ManifestDocument =
  | { readonly kind: 'manifest'; readonly format: ImageFormat; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly format: ImageFormat; readonly mediaType: string; readonly index: Index };

/**
 * A manifest or an index, by the Content-Type it came with, else by its own `mediaType`, else by its fields.
 * A document that could be read as both is refused (CVE-2021-41190).
 * @throws BuildError `MANIFEST_INVALID`, `MANIFEST_SCHEMA1`
 */
export function parseManifestDocument(bytes: Uint8Array, contentType?: string): ManifestDocument {
  const value = parseJson(bytes, 'manifest');
  const declared = specificType(contentType);
  const own = ownMediaType(value);
  const mediaType = declared ?? own ?? (isObject(value) && 'manifests' in value ? MEDIA_TYPES.oci.index : undefined);
  if (mediaType !== undefined && isIndexMediaType(mediaType)) {
    return { kind: 'index', format: formatOfMediaType(mediaType), mediaType, index: toIndex(value, declared) };
  }
  const manifest = toManifest(value, declared);
  const type = mediaType ?? MEDIA_TYPES[formatOfMediaType(manifest.config.mediaType)].manifest;
  return { kind: 'manifest', format: formatOfMediaType(type), mediaType: type, manifest };
}

/** `mediaType` is the Content-Type it came with. @throws BuildError `MANIFEST_INVALID`, `MANIFEST_SCHEMA1` */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest {
  return toManifest(parseJson(bytes, 'manifest'), specificType(mediaType));
}

/** `mediaType` is the Content-Type it came with. @throws BuildError `MANIFEST_INVALID`, `MANIFEST_SCHEMA1` */
export function parseIndex(bytes: Uint8Array, mediaType?: string): Index {
  return toIndex(parseJson(bytes, 'image index'), specificType(mediaType));
}

/** `null` in place of a known optional field counts as absent, as Docker reads it. @throws BuildError `MANIFEST_INVALID` */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const config = validate(imageConfigSchema, parseJson(bytes, 'image configuration'), 'image configuration');
  const plain = withoutNulls(config, ['created', 'author', 'variant', 'os.version', 'config', 'history']);
  return (isObject(plain['config'])
    ? {
        ...plain,
        config: withoutNulls(plain['config'], [
          'User',
          'ExposedPorts',
          'Env',
          'WorkingDir',
          'StopSignal',
          'Healthcheck',
          'ArgsEscaped',
        ]) as ContainerConfig,
      }
    : plain) as unknown as ImageConfig;
}

/**
 * The manifest of an image, the same bytes for the same input: fields in the order Docker and BuildKit write them
 * (schemaVersion, mediaType, config, layers, annotations; mediaType, digest, size in a descriptor), compact JSON.
 */
export function encodeManifest(
  image: { readonly format: ImageFormat; readonly layers: readonly Pick<Layer, 'descriptor'>[] },
  config: { readonly digest: Digest; readonly size: number },
  annotations?: Readonly<Record<string, string>>,
): Buffer {
  const types = MEDIA_TYPES[image.format];
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: types.manifest,
      config: { mediaType: types.config, digest: config.digest, size: config.size },
      layers: image.layers.map(({ descriptor }) => orderedDescriptor(descriptor)),
      ...(annotations === undefined ? {} : { annotations: sortedRecord(annotations) }),
    }),
  );
}

const digestSchema = v.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'is not sha256: and 64 lower-case hexadecimal digits',
);
const sizeSchema = v.pipe(
  v.number('is not a number'),
  v.safeInteger('is not an integer'),
  v.minValue(0, 'is negative'),
);
const textMapSchema = v.record(v.string(), v.string());
const descriptorSchema = v.looseObject({
  mediaType: v.string('is not a text'),
  digest: digestSchema,
  size: sizeSchema,
  urls: v.optional(v.array(v.string())),
  annotations: v.optional(textMapSchema),
  platform: v.optional(
    v.looseObject({
      os: v.string(),
      architecture: v.string(),
      variant: v.optional(v.string()),
      'os.version': v.optional(v.string()),
    }),
  ),
});
const manifestSchema = v.looseObject({
  schemaVersion: v.literal(2, 'is not 2'),
  mediaType: v.optional(v.string()),
  config: descriptorSchema,
  layers: v.array(descriptorSchema),
  annotations: v.optional(textMapSchema),
});
const indexSchema = v.looseObject({
  schemaVersion: v.literal(2, 'is not 2'),
  mediaType: v.optional(v.string()),
  manifests: v.array(descriptorSchema),
  annotations: v.optional(textMapSchema),
});

const text = v.nullish(v.string());
const texts = v.nullish(v.array(v.string()));
const set = v.nullish(v.record(v.string(), v.looseObject({})));
const nanoseconds = v.optional(v.number());
const containerConfigSchema = v.looseObject({
  User: text,
  ExposedPorts: set,
  Env: texts,
  Entrypoint: texts,
  Cmd: texts,
  Volumes: set,
  WorkingDir: text,
  Labels: v.nullish(textMapSchema),
  StopSignal: text,
  Healthcheck: v.nullish(
    v.looseObject({
      Test: v.optional(v.array(v.string())),
      Interval: nanoseconds,
      Timeout: nanoseconds,
      StartPeriod: nanoseconds,
      StartInterval: nanoseconds,
      Retries: v.optional(v.number()),
    }),
  ),
  ArgsEscaped: v.nullish(v.boolean()),
  OnBuild: texts,
  Shell: texts,
});
const imageConfigSchema = v.looseObject({
  created: text,
  author: text,
  architecture: v.string(),
  os: v.string(),
  variant: text,
  'os.version': text,
  config: v.nullish(containerConfigSchema),
  rootfs: v.looseObject({ type: v.literal('layers', 'is not "layers"'), diff_ids: v.array(digestSchema) }),
  history: v.nullish(
    v.array(
      v.looseObject({
        created: v.optional(v.string()),
        created_by: v.optional(v.string()),
        author: v.optional(v.string()),
        comment: v.optional(v.string()),
        empty_layer: v.optional(v.boolean()),
      }),
    ),
  ),
});

function toManifest(value: unknown, contentType: string | undefined): Manifest {
  checkDocument(value, contentType, 'manifest', 'manifests');
  return validate(manifestSchema, value, 'manifest') as Manifest;
}

function toIndex(value: unknown, contentType: string | undefined): Index {
  checkDocument(value, contentType, 'image index', 'layers');
  checkDocument(value, contentType, 'image index', 'config');
  return validate(indexSchema, value, 'image index') as Index;
}

function checkDocument(value: unknown, contentType: string | undefined, what: string, forbidden: string): void {
  if (!isObject(value)) throw invalid(what, 'it is not a JSON object');
  if (value['schemaVersion'] === 1 || contentType?.startsWith('application/vnd.docker.distribution.manifest.v1+')) {
    throw new BuildError('MANIFEST_SCHEMA1', 'The manifest is of Docker’s schema 1, which is not supported', {
      hint: 'Push the image again with a current tool; schema 1 was retired years ago.',
    });
  }
  if (forbidden in value) throw invalid(what, `${forbidden} has no place in this kind of document`);
  const own = ownMediaType(value);
  if (own !== undefined && contentType !== undefined && own !== contentType) {
    throw invalid(what, `mediaType is ${JSON.stringify(own)}, but it was served as ${JSON.stringify(contentType)}`);
  }
}

function validate<T extends v.BaseSchema<unknown, unknown, v.BaseIssue<unknown>>>(
  schema: T,
  value: unknown,
  what: string,
): v.InferOutput<T> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw invalid(what, `${v.getDotPath(issue) ?? 'it'}: ${issue.message}`);
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    throw invalid(what, messageOf(cause), cause);
  }
}

function invalid(what: string, reason: string, cause?: unknown): BuildError {
  return new BuildError('MANIFEST_INVALID', `The ${what} is not valid: ${reason}`, { cause });
}

/** The Content-Type without parameters; the generic types that some registries send say nothing. */
function specificType(contentType: string | undefined): string | undefined {
  const type = contentType?.split(';')[0]?.trim().toLowerCase();
  const generic = ['', 'application/json', 'text/plain', 'application/octet-stream', 'binary/octet-stream'];
  return type === undefined || generic.includes(type) ? undefined : type;
}

function ownMediaType(value: unknown): string | undefined {
  const own = isObject(value) ? value['mediaType'] : undefined;
  return typeof own === 'string' && own !== '' ? own : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withoutNulls(value: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([key, field]) => field !== null || !keys.includes(key)));
}

function orderedDescriptor({ mediaType, digest, size, urls, annotations }: Descriptor): Descriptor {
  return {
    mediaType,
    digest,
    size,
    ...(urls === undefined ? {} : { urls }),
    ...(annotations === undefined ? {} : { annotations: sortedRecord(annotations) }),
  };
}

function sortedRecord(record: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
