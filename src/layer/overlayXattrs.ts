import { hasErrno } from '../errors.ts';
import { removeXattr, setXattr } from '../linux/xattr.ts';
import type { ByteString } from '../byteString.ts';

/** Which family of xattrs overlayfs reads and writes here: `user` in a user namespace, where nobody may set the other. */
export type OverlayXattrs = 'trusted' | 'user';

/** Finds out by trying. @param directory one's own */
export function overlayXattrs(directory: string): OverlayXattrs {
  const probe = 'trusted.overlay.probe' as ByteString;
  try {
    setXattr(directory, probe, '' as ByteString);
    removeXattr(directory, probe);
    return 'trusted';
  } catch (error) {
    if (hasErrno(error, 'EPERM')) return 'user';
    // A file system without any: no overlay will work.
    if (hasErrno(error, 'ENOTSUP', 'ENODATA')) return 'trusted';
    throw error;
  }
}
