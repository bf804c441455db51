/**
 * `npm run bench`: builds the same images with kasane and with this machine's buildah, each time from nothing, and compares what
 * they took. `docs/benchmarks.md` says how it measures.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { hasProgram, runProgram } from '../bases/program.ts';
import { BenchRegistry } from './benchRegistry.ts';
import { benchTable, writeBetweenMarks, type Run } from './benchTable.ts';
import { buildah, packedKasane, type Builder } from './builders.ts';
import { bindOver, mountFreshDisk } from './freshDisk.ts';
import { measure } from './measure.ts';
import { makeContext, WORKS, type Work } from './works.ts';

const USAGE = `npm run bench -- [--runs 5] [--only tiny,ten-runs,…] [--builders kasane,buildah] [--json FILE] [--write] [--directory /var/tmp]

Works: ${WORKS.map(({ name }) => name).join(', ')}
--json       write every run's figures to FILE
--write      put the table into docs/benchmarks.md
--directory  where to keep about 20 GB meanwhile
`;
const PAGE = join(import.meta.dirname, '../../docs/benchmarks.md');
const OWN_NAMESPACES = ['--mount', '--propagation=private', '--pid', '--fork', '--kill-child', '--mount-proc'];
const INSIDE = 'KASANE_BENCH_DIRECTORY';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string' },
    builders: { type: 'string', default: 'kasane,buildah' },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
    directory: { type: 'string', default: '/var/tmp' },
    help: { type: 'boolean', default: false },
  },
});

const missing = ['buildah', 'skopeo', 'docker-registry', 'mkfs.ext4', 'unshare'].filter((name) => !hasProgram(name));
const inside = process.env[INSIDE];
if (options.help) process.stdout.write(USAGE);
else if (process.getuid?.() !== 0) fail('the bench needs root');
else if (missing.length > 0) fail(`the bench needs ${missing.join(', ')}`);
else if (inside === undefined) guard();
else await bench(inside);

/** Starts the bench in namespaces of its own: with it end its processes and mounts, also when it is killed. */
function guard(): void {
  const directory = mkdtempSync(join(options.directory, 'kasane-bench-'));
  try {
    const { status } = spawnSync(
      'unshare',
      [...OWN_NAMESPACES, process.execPath, ...process.execArgv, import.meta.filename, ...process.argv.slice(2)],
      { stdio: 'inherit', env: { ...process.env, [INSIDE]: directory } },
    );
    process.exitCode = status ?? 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function bench(directory: string): Promise<void> {
  const works = chosen('only', WORKS);
  const count = Number(options.runs);
  using inputs = mountFreshDisk(join(directory, 'inputs'));
  const builders = chosen('builders', [packedKasane(inputs.path), buildah()]);
  await using registry = await BenchRegistry.open(join(inputs.path, 'registry'));
  const runs: Run[] = [];
  for (const work of works) {
    const base = await work.base();
    if (base.skip !== undefined) {
      say(`${work.name}: left out, ${base.skip}`);
      continue;
    }
    const reference = await registry.pushBase(base.layout, work.baseName);
    const context = makeContext(work, join(inputs.path, 'contexts'), reference);
    for (let number = 0; number < count; number++) {
      const order = number % 2 === 0 ? builders : builders.toReversed();
      for (const builder of order) runs.push(await runOnce({ work, builder, context, registry, directory }));
    }
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(runs, undefined, 2)}\n`);
  const table = benchTable(runs, works, ['kasane', 'buildah']);
  const versions = builders.map(({ version }) => version).join(' and ');
  const text = `${versions}, ${count === 1 ? 'one run each' : `medians of ${count} alternating runs`}; ${machine()}.\n\n${table}`;
  process.stdout.write(`\n${text}`);
  if (options.write) writeBetweenMarks(PAGE, text);
}

interface Trial {
  readonly work: Work;
  readonly builder: Builder;
  readonly context: string;
  readonly registry: BenchRegistry;
  readonly directory: string;
}

async function runOnce({ work, builder, context, registry, directory }: Trial): Promise<Run> {
  await registry.reset();
  using disk = mountFreshDisk(join(directory, 'run'));
  // buildah keeps what it learned about blobs there, whatever its graphroot.
  using caches = bindOver('/var/lib/containers', join(disk.path, 'containers'));
  rmSync(join(caches.path, 'cache'), { recursive: true, force: true });
  const destination = `${registry.host}/${builder.name}/${work.name}:latest`;
  const command = builder.command({ context, destination, disk: disk.path });
  // What others wrote must not be written back in this run's time.
  runProgram('sync', []);
  const measured = await measure(command);
  const image = registry.inspect(destination);
  const { cpu, user, system, wall, memory } = measured;
  say(
    `${work.name} ${builder.name}: CPU ${cpu.toFixed(2)} s (user ${user.toFixed(2)}, system ${system.toFixed(2)}), ` +
      `wall ${wall.toFixed(2)} s, peak ${(memory / 1e6).toFixed(0)} MB, ${image.layers} layers, ` +
      `${(image.ownSize / 1e6).toFixed(2)} MB of its own`,
  );
  return { work: work.name, builder: builder.name, ...measured, image };
}

function chosen<T extends { readonly name: string }>(option: 'only' | 'builders', all: readonly T[]): readonly T[] {
  const names = options[option]?.split(',');
  if (names === undefined) return all;
  const unknown = names.find((name) => all.every((one) => one.name !== name));
  if (unknown !== undefined) throw new Error(`--${option}: there is no ${unknown}`);
  return all.filter(({ name }) => names.includes(name));
}

function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU';
  const name = /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  return `${availableParallelism()} CPUs (${model}), ${Math.round(totalmem() / 2 ** 30)} GB, ${name}, Linux ${release()}`;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function fail(reason: string): void {
  say(reason);
  process.exitCode = 1;
}
