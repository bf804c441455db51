import type { ExecutorFlagTable, FlagSupport } from './executorFlag.ts';

const withCache = {
  level: 'no-effect',
  because: 'it matters only with --cache, which comes with a later release',
} as const satisfies FlagSupport;

/** What is kept from one build to the next. */
export const cacheFlags = {
  cache: {
    type: 'bool',
    default: false,
    help: 'Use cached layers.',
    support: { level: 'pending', because: 'nothing is cached yet, every step is executed' },
  },
  'cache-repo': { type: 'string', default: '', help: 'Repository for cached layers.', support: withCache },
  'cache-dir': { type: 'string', default: '/cache', help: 'Directory of cached base images.', support: withCache },
  'cache-ttl': {
    type: 'duration',
    default: 336 * 3600e9,
    help: 'Age from which cached layers are not used.',
    support: withCache,
  },
  'cache-copy-layers': { type: 'bool', default: false, help: 'Cache layers of COPY and ADD.', support: withCache },
  'cache-run-layers': { type: 'bool', default: true, help: 'Cache layers of RUN.', support: withCache },
  'no-push-cache': { type: 'bool', default: false, help: 'Do not push cached layers.', support: withCache },
  'compressed-caching': {
    type: 'bool',
    default: true,
    help: 'Keep compressed layers in memory.',
    support: { level: 'no-effect', because: 'layers are compressed once and never kept in memory' },
  },
} as const satisfies ExecutorFlagTable;
