import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isNative, type Machine } from './machine.ts';
import { runProgram } from './program.ts';

/**
 * Fills `<dist>/compile-cache` by using kasane as a user would: a build then takes a fifth less CPU to start. Entries name files
 * relative to the cache, so they hold wherever dist/ comes to lie, for every user, and in a read-only file system.
 * @param node the machine's own, not yet made for /kaniko
 */
export function fillCompileCache(dist: string, node: string, machine: Machine, debian: string, scratch: string): void {
  const cache = join(dist, 'compile-cache');
  mkdirSync(cache);
  const start = isNative(machine) ? [node] : [machine.emulator, '-L', debian, node];
  const env = {
    NODE_COMPILE_CACHE: cache,
    NODE_COMPILE_CACHE_PORTABLE: '1',
    NODE_OPTIONS: '',
    OPENSSL_CONF: '/dev/null',
    HOME: scratch,
  };
  const run = (words: readonly string[], accept: readonly number[] = [0]): void => {
    runProgram([...start, '--no-warnings', join(dist, 'cli.js'), ...words], { env, accept });
  };
  const context = join(scratch, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\nENV A=b\n');
  const layout = join(scratch, 'layout');
  const common = ['--context', context, '--kaniko-dir', join(scratch, 'data'), '--no-push'];
  run(['executor', 'version']);
  run(['executor', ...common, '--oci-layout-path', layout, '--tar-path', join(scratch, 'image.tar')]);
  run(['imagediff', `oci:${layout}`, `oci:${layout}`]);
  // Nothing listens there: as much as can be had of the way to a registry.
  writeFileSync(join(context, 'Dockerfile'), 'FROM 127.0.0.1:1/none\n');
  run(['executor', ...common, '--insecure-pull'], [1]);
  runLauncher([...start, '--no-warnings', '--experimental-ffi', join(dist, 'launcher.js')], env, scratch);
}

/** As far as it gets with a root that is not there. */
function runLauncher(words: readonly string[], env: Readonly<Record<string, string>>, scratch: string): void {
  const file = join(scratch, 'launch');
  const root = { kind: 'directory', directory: join(scratch, 'none') };
  writeFileSync(file, JSON.stringify({ root, scratch: root.directory, hostname: 'none', files: [], mounts: [] }));
  const channel = openSync(file, 'r+');
  try {
    runProgram(words, { env, channel, accept: [1] });
  } finally {
    closeSync(channel);
    rmSync(file);
  }
}
