import { cString } from './cString.ts';
import { libc } from './libc.ts';
import { check } from './systemError.ts';

/** mount(2). */
export const MOUNT = {
  readOnly: 0x1,
  noSuid: 0x2,
  noDevices: 0x4,
  noExec: 0x8,
  remount: 0x20,
  noAtime: 0x400,
  bind: 0x1000,
  move: 0x2000,
  recursive: 0x4000,
  private: 0x40000,
  slave: 0x80000,
  shared: 0x100000,
  relatime: 0x200000,
} as const;

/** umount2(2). */
export const UNMOUNT = {
  force: 0x1,
  /** Unhangs it at once, and unmounts when nobody uses it any more. */
  detach: 0x2,
  noFollow: 0x8,
} as const;

/** The kernel takes a page of options and would silently cut the rest. */
export const MAX_MOUNT_DATA = 4095;

export interface MountRequest {
  /** Device, directory to bind, or any word; none where the kernel needs none. */
  readonly source?: string | Buffer;
  readonly target: string | Buffer;
  /** File system: `overlay`, `tmpfs`, `proc`, … */
  readonly type?: string;
  /** Of `MOUNT`, or-ed together; 0 if left out. */
  readonly flags?: number;
  /** Options of the file system, at most `MAX_MOUNT_DATA` bytes. */
  readonly data?: string | Buffer;
}

/** @throws SystemError, and RangeError for too long options */
export function mount({ source, target, type, flags = 0, data }: MountRequest): void {
  const options = data === undefined ? null : cString(data);
  if (options !== null && options.length > MAX_MOUNT_DATA + 1) {
    throw new RangeError(`mount options of ${options.length - 1} bytes; the kernel takes ${MAX_MOUNT_DATA}`);
  }
  const cSource = source === undefined ? null : cString(source);
  const cType = type === undefined ? null : cString(type);
  const result = libc().mount(cSource, cString(target), cType, BigInt(flags), options);
  check(result, { syscall: 'mount', ...(source === undefined ? { path: target } : { path: source, dest: target }) });
}

/** `flags` of `UNMOUNT`. @throws SystemError */
export function unmount(target: string | Buffer, flags = 0): void {
  check(libc().umount2(cString(target), flags), { syscall: 'umount2', path: target });
}

/** Makes the mount `newRoot` the root of this mount namespace and puts the old root at `putOld` below it. @throws SystemError */
export function pivotRoot(newRoot: string | Buffer, putOld: string | Buffer): void {
  check(libc().pivot_root(cString(newRoot), cString(putOld)), { syscall: 'pivot_root', path: newRoot, dest: putOld });
}

/** Of this process, or of this thread alone after `unshare`. Does not change the working directory. @throws SystemError */
export function chroot(path: string | Buffer): void {
  check(libc().chroot(cString(path)), { syscall: 'chroot', path });
}
