import type { ContainerConfig, HistoryEntry, ImageConfig } from '../image/config.ts';
import type { Layer } from '../image/image.ts';
import type { Platform } from '../image/platform.ts';

const COMMENT = 'buildkit.dockerfile.v0';

/** What a step adds to the history, as BuildKit writes it. */
export function historyEntry(createdBy: string, created: string, hasLayer: boolean, author?: string): HistoryEntry {
  return {
    created,
    ...(author === undefined ? {} : { author }),
    created_by: createdBy,
    comment: COMMENT,
    ...(hasLayer ? {} : { empty_layer: true }),
  };
}

export interface ImageConfigParts {
  /** The base image's; absent for scratch. */
  readonly base?: ImageConfig;
  readonly platform: Platform;
  readonly config: ContainerConfig;
  readonly author?: string;
  readonly created: string;
  readonly layers: readonly Layer[];
  readonly history: readonly HistoryEntry[];
}

/** The configuration of a finished stage. Fields of the base that nobody knows are kept, as BuildKit keeps them. */
export function imageConfig(parts: ImageConfigParts): ImageConfig {
  const { base, platform, config, author, created, layers, history } = parts;
  const { variant: baseVariant, ...inherited } = base ?? {};
  // The base was chosen for this platform; what it says of itself is finer.
  const variant = baseVariant ?? (base === undefined ? platform.variant : undefined);
  return {
    ...inherited,
    architecture: base?.architecture ?? platform.architecture,
    os: base?.os ?? platform.os,
    ...(variant === undefined ? {} : { variant }),
    ...(author === undefined ? {} : { author }),
    created,
    config,
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history,
  };
}
