import type { ExecutorFlagTable } from './executorFlag.ts';

/** What is kept from one build to the next. */
export const cacheFlags = {
  cache: {
    type: 'bool',
    default: false,
    help: 'Use cached layers.',
  },
  'cache-repo': { type: 'string', default: '', help: 'Repository for cached layers.' },
  'cache-dir': {
    type: 'string',
    default: '/cache',
    help: 'Directory of cached base images.',
    support: { level: 'no-effect', because: 'base images are taken from their registries until the warmer comes' },
  },
  'cache-ttl': {
    type: 'duration',
    default: 336 * 3600e9,
    help: 'Age from which cached layers are not used.',
  },
  'cache-from': {
    type: 'list',
    default: [],
    help: 'Another cache to look in: type=registry,ref=REPOSITORY or type=local,src=DIRECTORY.',
  },
  'cache-to': {
    type: 'list',
    default: [],
    help: 'Another cache to fill: type=registry,ref=REPOSITORY or type=local,dest=DIRECTORY.',
  },
  'cache-errors': {
    type: 'string',
    default: 'warn',
    choices: ['warn', 'fail'],
    help: 'Whether a cache that can not be used is a warning (warn) or an error (fail).',
  },
  pull: {
    type: 'bool',
    default: false,
    help: 'Ask for newer base images.',
    support: { level: 'no-effect', because: 'the registry of a base image is always asked what it is now' },
  },
  'no-cache': { type: 'bool', default: false, help: 'Execute every step, whatever caches have.' },
  'no-cache-filter': { type: 'list', default: [], help: 'Execute every step of these stages (comma-separated).' },
  'cache-copy-layers': { type: 'bool', default: false, help: 'Cache layers of COPY and ADD.' },
  'cache-run-layers': { type: 'bool', default: true, help: 'Cache layers of RUN.' },
  'no-push-cache': { type: 'bool', default: false, help: 'Do not push cached layers.' },
  'compressed-caching': {
    type: 'bool',
    default: true,
    help: 'Keep compressed layers in memory.',
    support: { level: 'no-effect', because: 'layers are compressed once and never kept in memory' },
  },
} as const satisfies ExecutorFlagTable;
