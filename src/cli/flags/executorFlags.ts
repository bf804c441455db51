import { cacheFlags } from './cacheFlags.ts';
import type { ExecutorFlagTable } from './executorFlag.ts';
import { logFlags } from './logFlags.ts';
import { outputFlags } from './outputFlags.ts';
import { registryFlags } from './registryFlags.ts';
import { sourceFlags } from './sourceFlags.ts';

/**
 * The one table of the build's flags: kaniko's executor's, with what kasane adds. Parsing, help, warnings and
 * docs/flags.md come from it.
 */
export const executorFlags = {
  ...sourceFlags,
  ...outputFlags,
  ...registryFlags,
  ...cacheFlags,
  ...logFlags,
  help: { type: 'bool', shorthand: 'h', default: false, help: 'Show this help.' },
} as const satisfies ExecutorFlagTable;

/** The same for `kasane build`: the defaults and the names that people at a prompt know from docker. */
export const buildFlags = {
  ...executorFlags,
  context: { ...executorFlags.context, default: '.' },
  dockerfile: { ...executorFlags.dockerfile, aliases: [{ name: 'file' }] },
  destination: { ...executorFlags.destination, aliases: [{ name: 'tag', shorthand: 't' }] },
  'custom-platform': {
    ...executorFlags['custom-platform'],
    aliases: [...executorFlags['custom-platform'].aliases, { name: 'platform' }],
  },
  'kaniko-dir': { ...executorFlags['kaniko-dir'], default: '' },
  'cache-copy-layers': { ...executorFlags['cache-copy-layers'], default: true },
} as const satisfies ExecutorFlagTable;

export type BuildFlags = typeof executorFlags | typeof buildFlags;
