// `npm run test:setup`: installs the Debian packages whose programs the integration tests use. Where that can't be done (not root,
// not Debian) it says what is missing; the tests that need those programs are then skipped. With `--strict` that is a failure.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';

/** Debian's package for each program. */
const PACKAGES: Readonly<Record<string, string>> = {
  'aarch64-linux-gnu-strip': 'binutils-aarch64-linux-gnu',
  buildah: 'buildah',
  'busybox-static': 'busybox-static',
  debootstrap: 'debootstrap',
  'docker-registry': 'docker-registry',
  git: 'git',
  jq: 'jq',
  newuidmap: 'uidmap',
  openssl: 'openssl',
  patchelf: 'patchelf',
  podman: 'podman',
  python3: 'python3',
  'qemu-aarch64-static': 'qemu-user-static',
  runc: 'runc',
  setpriv: 'util-linux',
  skopeo: 'skopeo',
  strip: 'binutils',
  umoci: 'umoci',
  xz: 'xz-utils',
  zstd: 'zstd',
};

/** Files without a program of their own: the default policy that skopeo, buildah and podman read. */
const FILES: Readonly<Record<string, string>> = {
  '/etc/containers/policy.json': 'golang-github-containers-common',
};

const before = missing();
if (before.length > 0 && process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
  const packages = [...new Set(before.map(({ debian }) => debian))];
  process.stdout.write(`installing ${packages.join(' ')}\n`);
  // Mirrors fail now and then, and a list that is older than the mirror asks for packages it no longer has.
  const done = [1, 2, 3].some(() => apt('update') && apt('install', '-y', '--no-install-recommends', ...packages));
  if (!done) process.stdout.write('test:setup: apt-get failed three times\n');
}
const left = missing();
for (const { what, debian } of left) process.stdout.write(`missing: ${what} (Debian package ${debian})\n`);
process.stdout.write(
  left.length === 0
    ? 'test:setup: everything that the tests use is here\n'
    : `test:setup: ${left.length} missing; the tests that need them are skipped\n`,
);
process.exitCode = left.length > 0 && process.argv.includes('--strict') ? 1 : 0;

function missing(): { what: string; debian: string }[] {
  const programs = Object.entries(PACKAGES).filter(([program]) => !hasProgram(program));
  const files = Object.entries(FILES).filter(([file]) => !existsSync(file));
  return [...programs, ...files].map(([what, debian]) => ({ what, debian }));
}

function hasProgram(name: string): boolean {
  // busybox-static and busybox share a program name; only the static one works as an image of its own.
  if (name === 'busybox-static')
    return existsSync('/usr/share/doc/busybox-static') || existsSync('/bin/busybox-static');
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return directories.some((directory) => isExecutable(join(directory, name)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether it worked. */
function apt(...args: string[]): boolean {
  const options = ['-q', '-o', 'Acquire::Retries=3', '-o', 'DPkg::Lock::Timeout=300'];
  const { status } = spawnSync('apt-get', [...options, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  return status === 0;
}
