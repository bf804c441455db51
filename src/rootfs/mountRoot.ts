import { hasErrno } from '../errors.ts';
import { mount, MOUNT } from '../linux/mount.ts';
import { overlayXattrs } from '../layer/overlayXattrs.ts';
import type { RootMount } from './launchSpec.ts';

/**
 * Best first. `index=on` keeps the names of a hard link one file when one of them is written to, as on any other file system;
 * `volatile` (Linux 5.10) leaves out syncing a file system that is thrown away. A redirect or a metacopy would hide
 * from the upper directory what has changed.
 */
const OPTION_SETS = [
  'redirect_dir=off,metacopy=off,index=on,volatile',
  'redirect_dir=off,metacopy=off,index=on',
  'redirect_dir=off,metacopy=off,index=off',
  'redirect_dir=off',
];

export interface MountedRoot {
  /** Absolute. */
  readonly path: string;
  readonly overlayOptions?: string;
}

/** Mounts a root in this process's own mount namespace. The working directory becomes the rootfs's. */
export function mountRoot(root: RootMount): MountedRoot {
  if (root.kind === 'directory') {
    // What is entered with pivot_root has to be a mount.
    mount({ source: root.directory, target: root.directory, flags: MOUNT.bind | MOUNT.recursive });
    return { path: root.directory };
  }
  process.chdir(root.directory);
  const layers = `lowerdir=${root.lowers.join(':')},upperdir=${root.upper},workdir=${root.work}`;
  const sets = overlayXattrs(root.upper) === 'user' ? OPTION_SETS.map(inUserNamespace) : OPTION_SETS;
  for (const [index, options] of sets.entries()) {
    try {
      mount({ source: 'overlay', target: root.mountPoint, type: 'overlay', data: `${layers},${options}` });
      return { path: `${root.directory}/${root.mountPoint}`, overlayOptions: options };
    } catch (error) {
      // With an index EBUSY too: something of an earlier command's mount is not quite gone yet.
      if (!hasErrno(error, 'EINVAL', 'EBUSY') || index === sets.length - 1) throw error;
    }
  }
  throw new Error('no options to try');
}

/** `off` means that redirects are followed where the kernel's default says so, which does not go with attributes that users can set. */
function inUserNamespace(options: string): string {
  return `${options.replace('redirect_dir=off', 'redirect_dir=nofollow')},userxattr`;
}
