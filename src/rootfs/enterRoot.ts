import { hasErrno } from '../errors.ts';
import { chroot, mount, MOUNT, pivotRoot, unmount, UNMOUNT } from '../linux/mount.ts';

/**
 * Makes a mount the root directory of this process, for good: the old root is no longer reachable. The working directory
 * is the new root afterwards.
 */
export function enterRoot(root: string): void {
  process.chdir(root);
  try {
    // Stacks the old root on the new one, so that no directory is needed for it.
    pivotRoot('.', '.');
    unmount('.', UNMOUNT.detach);
  } catch (error) {
    // Container runtimes' seccomp profiles refuse pivot_root even to those who may mount.
    if (!hasErrno(error, 'EPERM', 'EINVAL', 'ENOSYS')) throw error;
    // Not a bare chroot, which whoever holds CAP_SYS_CHROOT can leave: the new root covers the old one.
    mount({ source: root, target: '/', flags: MOUNT.move });
    chroot('.');
  }
  process.chdir('/');
}
