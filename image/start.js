// What bin/kasane does in a checkout, where no shell is needed for it.
import { enableCompileCache } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** Runs kasane's command line, these words before those of the user. */
export async function start(...words) {
  process.argv.splice(2, 0, ...words);
  // `env` can't leave out what was not set.
  if (process.env.KASANE_NODE_OPTIONS === '') delete process.env.KASANE_NODE_OPTIONS;
  // Read when the first thread starts. The number follows the CPUs that the container may use.
  process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));
  enableCompileCache({ directory: join(import.meta.dirname, 'dist/compile-cache'), portable: true });
  await import('./dist/cli.js');
}
