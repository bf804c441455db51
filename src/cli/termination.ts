export interface Termination {
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** What the program ends with after a signal; undefined if there was none. */
  readonly exitCode: () => number | undefined;
  readonly stopListening: () => void;
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** How long a build may take to stop, before the process ends all the same. */
const GRACE_MILLISECONDS = 10_000;

/**
 * Turns SIGINT and SIGTERM into an AbortSignal. A second signal, or the end of the grace period, ends the process at once.
 */
export function onTermination(notify: (signal: keyof typeof EXIT_CODES) => void): Termination {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const listener = (name: 'SIGINT' | 'SIGTERM'): void => {
    const code = EXIT_CODES[name];
    if (exitCode !== undefined) process.exit(code);
    exitCode = code;
    notify(name);
    controller.abort();
    setTimeout(() => process.exit(code), GRACE_MILLISECONDS).unref();
  };
  process.on('SIGINT', listener).on('SIGTERM', listener);
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    stopListening: () => void process.off('SIGINT', listener).off('SIGTERM', listener),
  };
}
