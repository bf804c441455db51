import { BuildError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Image } from '../image/image.ts';
import { parseImageConfig, parseManifestDocument } from '../image/manifest.ts';
import type { Index, Manifest, ManifestDocument } from '../image/manifest.ts';
import { layerCompression, MEDIA_TYPES } from '../image/mediaType.ts';
import { formatPlatform, normalisePlatform, selectPlatform } from '../image/platform.ts';
import type { Platform } from '../image/platform.ts';
import type { CallOptions, RegistryContext } from './context.ts';
import { getManifest } from './manifest.ts';
import { openBlob } from './openBlob.ts';
import { formatReference } from './reference.ts';
import type { Reference } from './reference.ts';

const CONFIG_LIMIT = 16 * 1024 * 1024;
const MAX_INDEX_DEPTH = 3;

/** See `RegistryClient.resolveImage`. */
export async function resolveImage(
  context: RegistryContext,
  reference: Reference,
  platform: Platform,
  options: CallOptions,
): Promise<Image> {
  const name = formatReference(reference);
  let from = reference;
  for (let depth = 0; depth < MAX_INDEX_DEPTH; depth++) {
    const fetched = await getManifest(context, from, options);
    const document = named(name, () => parseManifestDocument(fetched.bytes, fetched.mediaType));
    if (document.kind === 'manifest') {
      const image = await toImage(context, reference, document, options);
      warnOfPlatform(context, name, image, platform);
      return { ...image, digest: fetched.digest };
    }
    const { registry, repository } = reference;
    from = { registry, repository, digest: select(name, document.index, platform).digest };
  }
  throw new BuildError('IMAGE_UNSUPPORTED', `${name} is an index of indexes, nested too deep`);
}

async function toImage(
  context: RegistryContext,
  reference: Reference,
  { manifest, format }: Extract<ManifestDocument, { kind: 'manifest' }>,
  options: CallOptions,
): Promise<Image> {
  const name = formatReference(reference);
  checkKinds(name, manifest);
  if (manifest.config.size > CONFIG_LIMIT) {
    throw new BuildError('IMAGE_UNSUPPORTED', `The configuration of ${name} is larger than ${CONFIG_LIMIT} bytes`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of openBlob(context, reference, manifest.config, options)) chunks.push(chunk);
  const config = named(name, () => parseImageConfig(Buffer.concat(chunks)));
  if (config.os.toLowerCase() === 'windows') throw windowsError(name);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw new BuildError(
      'MANIFEST_INVALID',
      `${name}: the manifest has ${manifest.layers.length} layers, but the configuration ${diffIds.length}`,
    );
  }
  const { registry, repository } = reference;
  return {
    format,
    config,
    layers: manifest.layers.map((descriptor, index) => ({
      descriptor,
      diffId: diffIds[index] as (typeof diffIds)[number],
      locations: [{ kind: 'registry', registry, repository }],
    })),
  };
}

function checkKinds(name: string, { config, layers }: Manifest): void {
  if (config.mediaType !== MEDIA_TYPES.docker.config && config.mediaType !== MEDIA_TYPES.oci.config) {
    throw new BuildError(
      'IMAGE_UNSUPPORTED',
      `${name} is not a container image: its configuration is ${config.mediaType}`,
    );
  }
  for (const { mediaType, digest } of layers) {
    if (layerCompression(mediaType) !== undefined) continue;
    throw new BuildError('IMAGE_UNSUPPORTED', `${name}: the layer ${digest} is of the unknown kind ${mediaType}`);
  }
}

function select(name: string, index: Index, wanted: Platform): Descriptor {
  // An entry without a platform is taken for linux/amd64, as kaniko does.
  const candidates = index.manifests.map((entry) => ({
    entry,
    platform: entry.platform ?? { os: 'linux', architecture: 'amd64' },
  }));
  const selected = selectPlatform(candidates, wanted);
  if (selected !== undefined) return selected.entry;
  const known = candidates.filter(({ platform }) => platform.os !== 'unknown');
  if (known.length > 0 && known.every(({ platform }) => normalisePlatform(platform).os === 'windows'))
    throw windowsError(name);
  const list = [...new Set(known.map(({ platform }) => formatPlatform(normalisePlatform(platform))))].join(', ');
  throw new BuildError(
    'IMAGE_PLATFORM_MISSING',
    `${name} has no image for ${formatPlatform(wanted)}; it has ${list || 'none at all'}`,
    {
      hint: 'Choose one of them with --custom-platform, or another image.',
    },
  );
}

function warnOfPlatform(context: RegistryContext, name: string, { config }: Image, wanted: Platform): void {
  const actual = normalisePlatform(config);
  if (actual.os === wanted.os && actual.architecture === wanted.architecture) return;
  context.listener?.({
    kind: 'log',
    level: 'warn',
    message: `${name} is an image for ${formatPlatform(actual)}, not for ${formatPlatform(wanted)}`,
  });
}

function windowsError(name: string): BuildError {
  return new BuildError('IMAGE_WINDOWS', `${name} is an image for Windows; only Linux images can be built upon`);
}

/** Puts the image's name before what is wrong with its documents. */
function named<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    throw new BuildError(error.code, `${name}: ${error.message}`, {
      cause: error,
      facts: error.facts,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}
