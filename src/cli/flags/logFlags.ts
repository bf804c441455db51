import type { ExecutorFlagTable } from './executorFlag.ts';

/** What is said meanwhile. */
export const logFlags = {
  verbosity: {
    type: 'string',
    shorthand: 'v',
    default: 'info',
    help: 'Log level: trace, debug, info, warn, error, fatal or panic.',
  },
  'log-format': {
    type: 'string',
    default: 'color',
    help: 'Log format: text, color or json.',
  },
  'log-timestamp': { type: 'bool', default: false, help: 'Log times instead of seconds since the start.' },
} as const satisfies ExecutorFlagTable;
