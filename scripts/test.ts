// `npm test`: the unit tests beside the sources, then the integration tests one file after another.
// `--unit` runs only the first, `--integration` only the second; other arguments name the files to run.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const args = process.argv.slice(2);
const named = args.filter((argument) => !argument.startsWith('--'));
const only = args.find((argument) => argument === '--unit' || argument === '--integration');

interface Suite {
  readonly name: string;
  readonly files: readonly string[];
  readonly filesAtOnce: number;
  /** After which a file, or a test in it, counts as hung. */
  readonly minutes: number;
}

const suites: readonly Suite[] =
  named.length > 0
    ? [{ name: 'named files', files: named, filesAtOnce: 1, minutes: 30 }]
    : [
        { name: 'unit', files: testsIn('{src,scripts}/**'), filesAtOnce: availableParallelism(), minutes: 10 },
        { name: 'integration', files: testsIn('test/integration/**'), filesAtOnce: 1, minutes: 30 },
      ].filter(({ name }) => only === undefined || only === `--${name}`);

const closing: string[] = [];
for (const { name, files, filesAtOnce, minutes } of suites) {
  if (files.length === 0) {
    closing.push(`${name}: no test files`);
    continue;
  }
  const start = performance.now();
  process.stdout.write(`${name}: ${files.length} files\n`);
  const { status } = spawnSync(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      '--test',
      `--test-concurrency=${filesAtOnce}`,
      `--test-timeout=${minutes * 60_000}`,
      '--test-reporter=spec',
      ...files,
    ],
    { cwd: root, stdio: 'inherit' },
  );
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  closing.push(`${name}: ${status === 0 ? 'passed' : 'FAILED'} in ${seconds} s`);
  if (status !== 0) process.exitCode = 1;
}
process.stdout.write(`\n${closing.join('\n')}\n`);

function testsIn(pattern: string): string[] {
  return globSync(`${pattern}/*.test.ts`, { cwd: root }).sort();
}
