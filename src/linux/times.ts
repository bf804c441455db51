import { cStringBuffer } from './cString.ts';
import { libc } from './libc.ts';
import { check } from './systemError.ts';

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

/**
 * Sets access and modification time of a file, a symlink's own, to the nanosecond (`fs.lutimes` loses them).
 * `seconds` since 1970 may be negative; what the file system can't hold it clamps. @throws SystemError
 */
export function setTimes(
  path: string | Buffer,
  mtime: { readonly seconds: number; readonly nanoseconds: number },
): void {
  const { times, toC } = (buffers ??= { times: Buffer.alloc(32), toC: cStringBuffer() });
  for (const at of [0, 16]) {
    times.writeUInt32LE(mtime.seconds >>> 0, at);
    times.writeInt32LE(Math.floor(mtime.seconds / 2 ** 32), at + 4);
    times.writeUInt32LE(mtime.nanoseconds, at + 8);
  }
  check(libc().utimensat(AT_FDCWD, toC(path), times, AT_SYMLINK_NOFOLLOW), { syscall: 'utimensat', path });
}

/** struct timespec[2] and the path: made once, as this is called for every file that is unpacked. */
let buffers: { readonly times: Buffer; readonly toC: (path: string | Buffer) => Buffer } | undefined;
