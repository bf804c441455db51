import type { ContainerConfig, HistoryEntry, ImageConfig } from '../image/config.ts';
import type { Layer } from '../image/image.ts';
import type { Platform } from '../image/platform.ts';

const COMMENT = 'buildkit.dockerfile.v0';

/** What a step adds to the history, as BuildKit writes it. A step without a layer has no time of its own: see `imageConfig`. */
export function historyEntry(
  createdBy: string,
  layer: { readonly created: string } | undefined,
  author?: string,
): HistoryEntry {
  return {
    ...(layer === undefined ? {} : { created: layer.created }),
    ...(author === undefined ? {} : { author }),
    created_by: createdBy,
    comment: COMMENT,
    ...(layer === undefined ? { empty_layer: true } : {}),
  };
}

export interface ImageConfigParts {
  /** The base image's; absent for scratch. */
  readonly base?: ImageConfig;
  readonly platform: Platform;
  readonly config: ContainerConfig;
  readonly author?: string;
  /** For an image of which nothing says when it was made. */
  readonly now: string;
  readonly layers: readonly Layer[];
  readonly history: readonly HistoryEntry[];
}

/** The configuration of a finished stage; it is as old as its last step. Fields of the base that nobody knows are kept, as BuildKit keeps them. */
export function imageConfig(parts: ImageConfigParts): ImageConfig {
  const { base, platform, config, author, now, layers } = parts;
  const history = withTimes(parts.history, now);
  const { variant: baseVariant, ...inherited } = base ?? {};
  // The base was chosen for this platform; what it says of itself is finer.
  const variant = baseVariant ?? (base === undefined ? platform.variant : undefined);
  return {
    ...inherited,
    architecture: base?.architecture ?? platform.architecture,
    os: base?.os ?? platform.os,
    ...(variant === undefined ? {} : { variant }),
    ...(author === undefined ? {} : { author }),
    created: history.at(-1)?.created ?? now,
    config,
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history,
  };
}

/**
 * As BuildKit fills them in: an entry without a layer has the time of the layer before it; those before the first new layer have that one's.
 * So a build that takes everything from the cache gives the image of the build that filled it.
 */
function withTimes(history: readonly HistoryEntry[], now: string): readonly HistoryEntry[] {
  const firstWithout = history.findIndex((entry) => entry.created === undefined);
  if (firstWithout < 0) return history;
  const firstNew = history.slice(firstWithout).find((entry) => entry.created !== undefined)?.created;
  let last = firstNew ?? history.slice(0, firstWithout).at(-1)?.created ?? now;
  return history.map((entry, index) => {
    if (entry.created === undefined) return { created: last, ...entry };
    if (index > firstWithout) last = entry.created;
    return entry;
  });
}
