import { mkdirSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { runProgram } from '../bases/program.ts';

const SIZE = 24 * 2 ** 30;

/** A mount that ends with its disposal. */
export interface Mounted extends Disposable {
  readonly path: string;
}

/**
 * An empty ext4 of its own at `mountPoint`, a sparse file on a loop device: what earlier runs made and deleted costs this one
 * nothing. It has no name any more, so it is gone with its mount, however this process ends.
 */
export function mountFreshDisk(mountPoint: string): Mounted {
  const image = `${mountPoint}.img`;
  mkdirSync(mountPoint, { recursive: true });
  writeFileSync(image, '');
  truncateSync(image, SIZE);
  runProgram('mkfs.ext4', ['-q', '-F', '-m', '0', '-E', 'lazy_itable_init=1,lazy_journal_init=1', image]);
  // Without a kernel thread that writes inode tables while something is measured.
  runProgram('mount', ['-o', 'loop,noinit_itable', image, mountPoint]);
  unlinkSync(image);
  return {
    path: mountPoint,
    [Symbol.dispose]: () => {
      runProgram('umount', ['--recursive', mountPoint]);
    },
  };
}

/** Shows `directory` (made if missing) in the place of `hidden`, for this mount namespace. */
export function bindOver(hidden: string, directory: string): Mounted {
  for (const path of [hidden, directory]) mkdirSync(path, { recursive: true });
  runProgram('mount', ['--bind', directory, hidden]);
  return {
    path: hidden,
    [Symbol.dispose]: () => {
      runProgram('umount', [hidden]);
    },
  };
}
