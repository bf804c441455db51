import type { ByteString } from '../byteString.ts';
import { toBytes } from '../byteString.ts';
import { cString, cStringBuffer } from './cString.ts';
import { libc } from './libc.ts';
import { check, systemError } from './systemError.ts';

/** The kernel's limit for a list of names and for a value. */
const LIMIT = 64 * 1024;
const SIZE = BigInt(LIMIT);
const ENODATA = 61;
const EOPNOTSUPP = 95;
const NONE: ReadonlyMap<ByteString, ByteString> = new Map();

/**
 * All extended attributes of a file that the caller may see, a symlink's own; none where the file system has none.
 * Names and values are bytes. @throws SystemError
 */
export function readXattrs(path: string | Buffer): ReadonlyMap<ByteString, ByteString> {
  const { functions, buffers } = (calls ??= prepare());
  const cPath = buffers.path(path);
  const listed = functions.llistxattr(cPath, buffers.names, SIZE);
  if (listed === 0) return NONE;
  if (listed < 0) {
    const errno = functions.errno();
    if (errno === EOPNOTSUPP) return NONE;
    throw systemError(errno, { syscall: 'llistxattr', path });
  }
  return readValues(path, cPath, listed);
}

/** Sets an attribute of a file, a symlink's own; replaces one that is there. @throws SystemError */
export function setXattr(path: string | Buffer, name: ByteString, value: ByteString): void {
  const bytes = toBytes(value);
  const result = libc().lsetxattr(cString(path), cString(toBytes(name)), bytes, BigInt(bytes.length), 0);
  check(result, { syscall: 'lsetxattr', path });
}

/** @throws SystemError, `ENODATA` if there is no such attribute */
export function removeXattr(path: string | Buffer, name: ByteString): void {
  check(libc().lremovexattr(cString(path), cString(toBytes(name))), { syscall: 'lremovexattr', path });
}

/** Made once: a walk asks for every file. */
let calls: ReturnType<typeof prepare> | undefined;

function prepare() {
  return {
    functions: libc(),
    buffers: { path: cStringBuffer(), names: Buffer.allocUnsafe(LIMIT), value: Buffer.allocUnsafe(LIMIT) },
  };
}

function readValues(path: string | Buffer, cPath: Buffer, listed: number): ReadonlyMap<ByteString, ByteString> {
  const { functions, buffers } = (calls ??= prepare());
  const found = new Map<ByteString, ByteString>();
  for (let at = 0; at < listed;) {
    const end = buffers.names.indexOf(0, at);
    const name = buffers.names.subarray(at, end + 1);
    const length = functions.lgetxattr(cPath, name, buffers.value, SIZE);
    if (length >= 0) {
      found.set(
        buffers.names.toString('latin1', at, end) as ByteString,
        buffers.value.toString('latin1', 0, length) as ByteString,
      );
    } else {
      const errno = functions.errno();
      // Removed since it was listed.
      if (errno !== ENODATA) throw systemError(errno, { syscall: 'lgetxattr', path });
    }
    at = end + 1;
  }
  return found;
}
