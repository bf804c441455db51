import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { DEBIAN_CONFIG } from './debianConfig.ts';
import { readLayers, writeLayout } from './layout.ts';
import { runProgram, tarStream } from './program.ts';

/** The names that git's one binary has. */
export const GIT_NAMES = ['usr/bin/git', 'usr/lib/git-core/git', 'usr/lib/git-core/git-add'] as const;
export type GitName = (typeof GIT_NAMES)[number];

export interface GitHardlinks {
  /** The name that the first layer's tar has as a file; the others are hard links to it. */
  readonly first: GitName;
  /** The name that the second layer makes a symlink to another one. */
  readonly replaced: GitName;
}

/** Gives the reason if this machine can't make it. */
export async function makeGitHardlinks(
  directory: string,
  debianLayout: string,
  names: GitHardlinks,
): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'needs root';
  const scratch = mkdtempSync(join(dirname(directory), 'git-'));
  try {
    const root = join(scratch, 'root');
    mkdirSync(root);
    unpack(debianLayout, root);
    try {
      installGit(root);
    } catch (error) {
      return String(error);
    }
    linkNames(root);
    const target = GIT_NAMES.find((name) => name !== names.replaced) ?? GIT_NAMES[0];
    const layer = join(scratch, 'layer');
    mkdirSync(join(layer, dirname(names.replaced)), { recursive: true });
    symlinkSync(relative(dirname(names.replaced), target), join(layer, names.replaced));
    const order = tarOrder(root, names.first);
    await writeLayout(
      directory,
      [
        { tar: () => tarStream(['-C', root, '--no-recursion', '--null', '-c', '-T', '-'], order) },
        { tar: () => tarStream(['-C', layer, '-c', names.replaced]) },
      ],
      DEBIAN_CONFIG,
    );
    return undefined;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function unpack(layout: string, root: string): void {
  for (const { path } of readLayers(layout)) {
    runProgram('tar', ['--numeric-owner', '-p', '-x', '-z', '-f', path, '-C', root]);
  }
}

function installGit(root: string): void {
  runProgram('mknod', ['-m', '666', join(root, 'dev/null'), 'c', '1', '3']);
  runProgram('mknod', ['-m', '666', join(root, 'dev/urandom'), 'c', '1', '9']);
  for (const file of ['/etc/resolv.conf', '/etc/hosts']) {
    if (existsSync(file)) copyFileSync(file, join(root, file));
  }
  // Nothing may start in there.
  writeFileSync(join(root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  runProgram('chroot', [root, 'apt-get', 'update', '-q'], { env });
  runProgram('chroot', [root, 'apt-get', 'install', '-y', '-q', '--no-install-recommends', 'git'], { env });
  runProgram('chroot', [root, 'apt-get', 'clean'], { env });
  for (const path of ['dev/null', 'dev/urandom', 'etc/resolv.conf', 'etc/hosts', 'usr/sbin/policy-rc.d']) {
    rmSync(join(root, path), { force: true });
  }
  rmSync(join(root, 'var/lib/apt/lists'), { recursive: true });
  mkdirSync(join(root, 'var/lib/apt/lists/partial'), { recursive: true });
}

function linkNames(root: string): void {
  const [real, ...others] = GIT_NAMES;
  for (const name of others) {
    rmSync(join(root, name), { force: true });
    linkSync(join(root, real), join(root, name));
  }
}

/** Directories, then the name that is to be the real file, then the rest; each ended by a NUL. */
function tarOrder(root: string, first: GitName): string {
  const list = (test: readonly string[]): string[] =>
    runProgram('find', [root].concat(test, '-printf', '%P\\0'))
      .split('\0')
      .filter((path) => path !== '' && path !== first)
      .toSorted();
  return [...list(['-type', 'd']), first, ...list(['!', '-type', 'd'])].map((path) => `${path}\0`).join('');
}
