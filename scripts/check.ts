// `npm run check`: everything that can be said about the sources without running them. One line per part; what is wrong follows it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { flagsPageProblem } from './flagsPage.ts';
import { importOrderProblems } from './importOrder.ts';

const root = join(import.meta.dirname, '..');

interface Part {
  readonly name: string;
  /** What is wrong; empty if nothing is. */
  readonly run: () => string;
}

const parts: readonly Part[] = [
  { name: 'format (oxfmt)', run: () => tool('oxfmt', '--check', '.') },
  { name: 'lint (oxlint, type-aware)', run: () => tool('oxlint', '--type-aware', '--deny-warnings') },
  { name: 'types (tsc)', run: () => tool('tsc', '-p', '.') },
  { name: 'unused code (knip)', run: () => tool('knip', '--no-progress') },
  { name: 'order of the house', run: () => importOrderProblems(join(root, 'src')).join('\n') },
  { name: 'docs/flags.md', run: () => flagsPageProblem() ?? '' },
];

let failed = 0;
for (const { name, run } of parts) {
  const start = performance.now();
  const problems = run();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  process.stdout.write(`${problems === '' ? 'ok    ' : 'FAILED'}  ${name} (${seconds} s)\n`);
  if (problems !== '') {
    failed++;
    process.stdout.write(`${problems.replace(/\n+$/, '')}\n\n`);
  }
}
process.stdout.write(
  failed === 0 ? 'check: all parts are well\n' : `check: ${failed} of ${parts.length} parts failed\n`,
);
process.exitCode = failed === 0 ? 0 : 1;

function tool(name: string, ...args: string[]): string {
  const program = join(root, 'node_modules', '.bin', name);
  // The tools' launchers ask for `node`; the pinned one answers.
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${join(process.execPath, '..')}:${process.env['PATH'] ?? ''}` },
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) return String(error);
  // Not all of them heed NO_COLOR, in CI least of all.
  return status === 0 ? '' : stripVTControlCharacters(`${stdout}${stderr}`) || `${name} ended with ${status}`;
}
