import { fchownSync, lchownSync } from 'node:fs';
import { hasErrno } from '../errors.ts';

/**
 * Gives a file, a symlink itself, to a user and a group. An id that has no number in this user namespace can't own anything here:
 * then the file stays as it is, and false is the answer.
 * @throws whatever else the system has against it
 */
export function giveTo(file: string | Buffer | number, uid: number, gid: number): boolean {
  try {
    if (typeof file === 'number') fchownSync(file, uid, gid);
    else lchownSync(file, uid, gid);
    return true;
  } catch (error) {
    if (!hasErrno(error, 'EINVAL')) throw error;
    return false;
  }
}
