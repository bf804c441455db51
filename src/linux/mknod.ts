import { constants } from 'node:fs';
import { cString } from './cString.ts';
import { libc } from './libc.ts';
import { check } from './systemError.ts';

/** Makes a device node. The umask takes bits off `mode`. @throws SystemError, `EPERM` where devices may not be made */
export function makeNode(
  path: string | Buffer,
  type: 'character' | 'block',
  mode: number,
  device: { readonly major: number; readonly minor: number },
): void {
  const typeBits = type === 'character' ? constants.S_IFCHR : constants.S_IFBLK;
  check(libc().mknod(cString(path), typeBits | mode, deviceNumber(device)), { syscall: 'mknod', path });
}

/** Makes a named pipe. The umask takes bits off `mode`. @throws SystemError */
export function makeFifo(path: string | Buffer, mode: number): void {
  check(libc().mknod(cString(path), constants.S_IFIFO | mode, 0n), { syscall: 'mknod', path });
}

/** A device number as the C library encodes it; what `fs.Stats.rdev` holds. */
export function deviceNumber({ major, minor }: { readonly major: number; readonly minor: number }): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xfffn) << 8n) | ((high & ~0xfffn) << 32n) | (low & 0xffn) | ((low & ~0xffn) << 12n);
}

/** Major and minor number of a `fs.Stats.rdev`. */
export function splitDeviceNumber(rdev: bigint | number): { major: number; minor: number } {
  const device = BigInt(rdev);
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  };
}
