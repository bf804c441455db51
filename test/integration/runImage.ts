import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasProgram } from '../bases/program.ts';
import type { Ended, Workbench } from './workbench.ts';

/** Why `unpackImage` and `runImage` can't work here; undefined if they can. */
export const NO_RUNTIME =
  process.getuid?.() !== 0
    ? 'needs root'
    : ['umoci', 'runc'].map((name) => (hasProgram(name) ? undefined : `needs ${name}`)).find(Boolean);

/** Unpacks a layout's image with umoci; gives the directory of its bundle, whose `rootfs` is the image's. */
export async function unpackImage(bench: Workbench, layout: string): Promise<string> {
  const bundle = bench.path('bundle');
  const { exitCode, stderr } = await bench.run(['umoci', 'unpack', '--image', `${layout}:latest`, bundle]);
  if (exitCode !== 0) throw new Error(`umoci: ${stderr}`);
  return bundle;
}

/** Runs an image with runc as a container engine would: its own user, environment, entrypoint and command. */
export async function runImage(bench: Workbench, layout: string): Promise<Ended> {
  const bundle = await unpackImage(bench, layout);
  const file = join(bundle, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as { process: Record<string, unknown> };
  config.process['terminal'] = false;
  // Raising limits takes a capability that root does not always have.
  delete config.process['rlimits'];
  writeFileSync(file, JSON.stringify(config));
  return bench.run(['runc', '--root', bench.path('runc'), 'run', '--bundle', bundle, `kasane-test-${randomUUID()}`]);
}
