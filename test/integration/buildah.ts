import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { hasProgram } from '../bases/program.ts';
import type { Workbench } from './workbench.ts';

/** Why buildah can't build here; undefined if it can. */
export const NO_BUILDAH = process.getuid?.() !== 0 ? 'needs root' : hasProgram('buildah') ? undefined : 'needs buildah';

/** Debian's buildah with a storage of its own below the workbench's directory. */
export interface Buildah {
  /** Builds a context with each step as a layer; gives a docker archive. */
  build(context: string, flags: readonly string[]): Promise<string>;
}

export function openBuildah(t: TestContext, bench: Workbench): Buildah {
  const directory = mkdtempSync('/var/tmp/kasane-buildah-');
  t.after(() => {
    // Buildah leaves its storage's mounts.
    for (const point of mountPointsBelow(directory).toReversed()) spawnSync('umount', ['--lazy', point]);
    rmSync(directory, { recursive: true, force: true });
  });
  const configuration = join(directory, 'containers.conf');
  // Lower than any machine has them: raising takes a capability that root does not always have.
  writeFileSync(configuration, '[containers]\ndefault_ulimits = ["nofile=1024:1024","nproc=4096:4096"]\n');
  const env = { CONTAINERS_CONF: configuration, BUILDAH_ISOLATION: 'chroot' };
  const storage = [
    '--root',
    join(directory, 'root'),
    '--runroot',
    join(directory, 'run'),
    '--storage-driver',
    'overlay',
  ];
  const buildah = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await bench.run(['buildah', ...storage, ...args], { env });
    if (exitCode !== 0) throw new Error(`buildah ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  let count = 0;
  return {
    async build(context, flags) {
      const name = `built-${count++}`;
      await buildah(
        'build',
        '--layers',
        '--isolation=chroot',
        '--format=docker',
        '--identity-label=false',
        '--tls-verify=false',
        '--tag',
        name,
        ...flags,
        context,
      );
      const archive = bench.path('buildah.tar');
      await buildah('push', '--quiet', name, `docker-archive:${archive}:built:latest`);
      return archive;
    },
  };
}

function mountPointsBelow(directory: string): string[] {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  return points.filter((point) => point.startsWith(`${directory}/`));
}
