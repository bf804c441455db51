/**
 * The Dockerfiles of test/dockerfiles, built by kasane and by Debian's buildah, have the same root file system and configuration,
 * but for what the file `differences` beside each of them lists. docs/compatibility.md says why those are.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { busyboxBase, debianBase } from '../bases/bases.ts';
import { NO_BUILDAH, openBuildah } from './buildah.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { KASANE, workbench } from './workbench.ts';

const DOCKERFILES = join(import.meta.dirname, '../dockerfiles');

/** The id of buildah's container, and what it leaves of the mounts that a RUN had. */
const EVERYWHERE =
  /^ {2}(?:~ config\.Hostname: |- (?:etc\/(?:hostname|hosts|resolv\.conf)|proc|run|sys) \((?:file|directory) only in A\)$)/;

test(
  'an image has what buildah makes of the same Dockerfile',
  { skip: NO_BUILDAH ?? NO_TEST_REGISTRY ?? false },
  async (suite) => {
    const busybox = layoutOf(suite, await busyboxBase());
    if (busybox === undefined) return;
    const registry = await testRegistry(suite);
    const bench = workbench(suite);
    const base = await registry.push(busybox, 'busybox:latest');
    const debian = (await debianBase()).layout;
    const given = new Map([
      ['BASE', base],
      ['OTHER', await registry.push(busybox, 'other:1')],
    ]);
    if (debian !== undefined) given.set('DEBIAN', await registry.push(debian, 'debian:latest'));
    const buildah = openBuildah(suite, bench);

    for (const name of readdirSync(DOCKERFILES).sort()) {
      await suite.test(name, async (t) => {
        const source = join(DOCKERFILES, name);
        const dockerfile = readFileSync(join(source, 'Dockerfile'), 'utf8');
        const wanted = [...dockerfile.matchAll(/^ARG (BASE|OTHER|DEBIAN)$/gm)].map((match) => match[1] ?? '');
        if (wanted.some((argument) => !given.has(argument))) return t.skip('its base image could not be made');
        const flags = [
          ...wanted.flatMap((argument) => ['--build-arg', `${argument}=${given.get(argument)}`]),
          ...linesOf(join(source, 'flags')),
        ];
        const context = await prepared(source);
        const [ours, theirs] = await Promise.all([bench.build(context, { flags }), buildah.build(context, flags)]);
        const differences = await bench.run([KASANE, 'imagediff', `docker-archive:${theirs}`, `oci:${ours.layout}`]);
        assert.ok(differences.exitCode < 2, differences.stderr);
        const found = differences.stdout.split('\n').filter((line) => line.startsWith(' ') && !EVERYWHERE.test(line));
        assert.deepEqual(found, linesOf(join(source, 'differences')));
      });
    }

    /** A copy of a Dockerfile's directory as it is to be built. */
    async function prepared(source: string): Promise<string> {
      const context = bench.path('context');
      cpSync(source, context, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
      if (existsSync(join(context, 'prepare.sh'))) {
        const { exitCode, stderr } = await bench.run(['sh', '-e', 'prepare.sh'], { cwd: context });
        assert.equal(exitCode, 0, stderr);
      }
      for (const own of ['prepare.sh', 'flags', 'differences']) rmSync(join(context, own), { force: true });
      return context;
    }
  },
);

/** The lines of a file but for empty ones and comments; none if there is no file. */
function linesOf(file: string): string[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}
