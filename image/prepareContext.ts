import {
  chmodSync,
  copyFileSync,
  cpSync,
  globSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fillCompileCache } from './compileCache.ts';
import { debianRoot } from './debianRoot.ts';
import { copyLicence, writeDebianLicences } from './licences.ts';
import { isNative, type Machine } from './machine.ts';
import { LIBRARY_PACKAGES, placePrograms } from './placePrograms.ts';
import { runProgram } from './program.ts';

const ROOT = join(import.meta.dirname, '..');
const PROGRAM_PACKAGES = ['coreutils', 'util-linux'];
const PACKAGES = [...new Set(Object.values(LIBRARY_PACKAGES)), ...PROGRAM_PACKAGES];

/** The context of the Dockerfile beside this file, in a directory that is empty. @throws Error that says what this machine lacks */
export function prepareContext(context: string, machine: Machine, options: { debug: boolean; scratch: string }): void {
  const { debug, scratch } = options;
  const all = [...PACKAGES, 'ca-certificates', ...(debug ? ['busybox-static'] : [])];
  const debian = debianRoot(machine, all, scratch);
  const packages = (names: readonly string[]) => debian.packages.filter(({ name }) => names.includes(name));
  const nodePackage = nodeDirectory(machine, scratch);
  const node = join(nodePackage, 'bin/node');
  copyFileSync(join(import.meta.dirname, 'Dockerfile'), join(context, 'Dockerfile'));

  const runtime = kanikoDirectory(context, 'runtime');
  const tools = ['env', 'unshare'].map((name) => join(debian.directory, 'usr/bin', name));
  placePrograms(runtime, [node, ...tools], machine, debian.directory);
  copyLicence(join(nodePackage, 'LICENSE'), join(runtime, 'licenses/node'), 'LICENSE');
  writeDebianLicences(join(runtime, 'licenses'), debian.directory, packages(PACKAGES));

  const kasane = kanikoDirectory(context, 'kasane');
  placeKasane(kasane);
  writeCertificates(join(kasane, 'ssl/certs'), debian.directory);
  writeDebianLicences(join(kasane, 'licenses'), debian.directory, packages(['ca-certificates']));
  mkdirSync(join(context, 'kasane/etc'));
  copyFileSync(join(import.meta.dirname, 'nsswitch.conf'), join(context, 'kasane/etc/nsswitch.conf'));
  fillCompileCache(join(kasane, 'dist'), node, machine, debian.directory, scratch);

  if (debug) {
    placeBusybox(join(context, 'debug'), join(debian.directory, 'bin/busybox'));
    const licences = join(kanikoDirectory(context, 'debug'), 'licenses');
    writeDebianLicences(licences, debian.directory, packages(['busybox-static']));
  }
  setModes(context);
}

/** npm's package: the one installed here, else from its registry. */
function nodeDirectory(machine: Machine, scratch: string): string {
  const { nodePackage } = machine;
  if (isNative(machine)) return join(ROOT, 'node_modules', nodePackage);
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    optionalDependencies: Readonly<Record<string, string>>;
  };
  const version = manifest.optionalDependencies[nodePackage] ?? '';
  const answer = runProgram(['npm', 'pack', '--json', `${nodePackage}@${version}`], { cwd: scratch });
  const [{ filename }] = JSON.parse(answer) as [{ filename: string }];
  runProgram(['tar', '-xzf', filename], { cwd: scratch });
  return join(scratch, 'package');
}

function kanikoDirectory(context: string, part: string): string {
  const directory = join(context, part, 'kaniko');
  mkdirSync(directory, { recursive: true });
  return directory;
}

function placeKasane(kaniko: string): void {
  for (const name of ['executor', 'kasane', 'warmer', 'start.js'])
    copyFileSync(join(import.meta.dirname, name), join(kaniko, name));
  runProgram([process.execPath, join(ROOT, 'scripts/build.ts')]);
  cpSync(join(ROOT, 'dist'), join(kaniko, 'dist'), { recursive: true });
  const { name, version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<string, unknown>;
  // Without it Node.js would go on looking in `/`, which may be an image's.
  writeFileSync(join(kaniko, 'package.json'), `${JSON.stringify({ name, version, type: 'module' })}\n`);
  mkdirSync(join(kaniko, '.docker'));
  copyLicence(join(ROOT, 'LICENSE'), join(kaniko, 'licenses/kasane'), 'LICENSE');
  copyLicence(join(ROOT, 'node_modules/valibot/LICENSE.md'), join(kaniko, 'licenses/valibot'), 'LICENSE.md');
}

/** From the package's parts: the file that is installed also holds what this machine's administrator trusts. */
function writeCertificates(directory: string, debian: string): void {
  const parts = globSync('usr/share/ca-certificates/mozilla/*.crt', { cwd: debian }).sort();
  if (parts.length === 0) throw new Error('ca-certificates holds no certificates');
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(directory, 'ca-certificates.crt'),
    parts.map((part) => `${readFileSync(join(debian, part), 'utf8').trimEnd()}\n`).join(''),
  );
}

function placeBusybox(root: string, busybox: string): void {
  mkdirSync(join(root, 'busybox'), { recursive: true });
  mkdirSync(join(root, 'bin'));
  copyFileSync(busybox, join(root, 'busybox/busybox'));
  symlinkSync('/busybox/sh', join(root, 'bin/sh'));
  // Of the same package for this machine, whose applets are the same.
  for (const applet of runProgram(['/bin/busybox', '--list']).trim().split('\n'))
    if (applet !== 'busybox') symlinkSync('busybox', join(root, 'busybox', applet));
}

/** Readable for every user, whatever this machine's umask; and as in kaniko's image, whoever the container runs as can write to /kaniko. */
function setModes(context: string): void {
  for (const name of readdirSync(context, { recursive: true, encoding: 'utf8' })) {
    const path = join(context, name);
    const stats = lstatSync(path);
    if (stats.isSymbolicLink()) continue;
    if (stats.isFile()) chmodSync(path, (stats.mode & 0o100) === 0 ? 0o644 : 0o755);
    else chmodSync(path, /^[^/]+\/kaniko(?:\/\.docker)?$/.test(name) ? 0o777 : 0o755);
  }
}
