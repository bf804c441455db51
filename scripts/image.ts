// `npm run image`: kasane builds its own container image, which docs/executor-image.md describes.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { isNative, machineOf, type Machine } from '../image/machine.ts';
import { prepareContext } from '../image/prepareContext.ts';

const USAGE = `Usage: npm run image -- [--debug] [--platform linux/arm64] [--push REF]... [--insecure] [--oci-layout DIR] [--tar FILE]\n`;

const ROOT = join(import.meta.dirname, '..');

try {
  makeImage();
} catch (error) {
  process.stderr.write(`image: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

function makeImage(): void {
  const { values } = parseArgs({
    options: {
      debug: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      insecure: { type: 'boolean', default: false },
      platform: { type: 'string', default: process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64' },
      push: { type: 'string', multiple: true, default: [] },
      'oci-layout': { type: 'string' },
      tar: { type: 'string' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const machine = machineOf(values.platform);
  const missing = [
    'patchelf',
    'dpkg-query',
    `${machine.triplet}-strip`,
    ...(isNative(machine) ? [] : [machine.emulator]),
  ].filter((name) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name]).status !== 0);
  if (missing.length > 0)
    throw new Error(`needs ${missing.join(', ')} (docs/executor-image.md says of which packages)`);

  const work = mkdtempSync('/var/tmp/kasane-image-');
  try {
    const directory = (name: string): string => {
      const path = join(work, name);
      mkdirSync(path);
      return path;
    };
    const context = directory('context');
    prepareContext(context, machine, { debug: values.debug, scratch: directory('scratch') });
    const layout = values['oci-layout'] === undefined ? join(work, 'layout') : fromHere(values['oci-layout']);
    const { status } = spawnSync(
      join(ROOT, 'bin/kasane'),
      [
        'build',
        context,
        `--target=${values.debug ? 'debug' : 'executor'}`,
        `--platform=${values.platform}`,
        `--kaniko-dir=${directory('data')}`,
        `--oci-layout-path=${layout}`,
        ...(values.tar === undefined ? [] : [`--tar-path=${fromHere(values.tar)}`]),
        ...(values.push.length === 0 ? ['--no-push', '--destination=kasane/executor'] : []),
        ...values.push.map((reference) => `--destination=${reference}`),
        ...(values.insecure ? ['--insecure'] : []),
      ],
      { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, SOURCE_DATE_EPOCH: sourceDate() } },
    );
    if (status !== 0) throw new Error('the build failed');
    report(layout, machine, values.debug);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** npm starts its scripts in the package's directory, wherever it was called. */
function fromHere(path: string): string {
  return resolve(process.env['INIT_CWD'] ?? '.', path);
}

/** Of the commit, so that the same sources give the same times; in a tree without git, of package.json. */
function sourceDate(): string {
  const given = process.env['SOURCE_DATE_EPOCH'];
  if (given !== undefined) return given;
  const { status, stdout } = spawnSync('git', ['-C', ROOT, 'log', '-1', '--format=%ct'], { encoding: 'utf8' });
  if (status === 0) return stdout.trim();
  return String(Math.floor(statSync(join(ROOT, 'package.json')).mtimeMs / 1000));
}

function report(layout: string, machine: Machine, debug: boolean): void {
  const read = (path: string): unknown => JSON.parse(readFileSync(join(layout, path), 'utf8'));
  const { manifests } = read('index.json') as { manifests: [{ digest: string }] };
  const [{ digest }] = manifests;
  const { layers } = read(`blobs/sha256/${digest.slice('sha256:'.length)}`) as { layers: { size: number }[] };
  const size = layers.reduce((sum, layer) => sum + layer.size, 0);
  const name = debug ? 'executor, debug variant' : 'executor';
  process.stdout.write(
    `${name} for linux/${machine.architecture}: ${(size / 1e6).toFixed(1)} MB compressed in ${layers.length} layers, ${digest}\n`,
  );
}
