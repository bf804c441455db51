import {
  closeSync,
  fstatSync,
  futimesSync,
  lstatSync,
  openSync,
  readdirSync,
  unlinkSync,
  type BigIntStats,
} from 'node:fs';
import { compareBytes, fromText, toFsPath, type ByteString } from '../byteString.ts';
import { hasErrno } from '../errors.ts';
import { compareTreePaths, joinTreePath } from '../tree/path.ts';
import type { TreePath } from '../tree/tree.ts';
import type { Candidate } from './candidate.ts';
import { readDiskFile } from './diskEntry.ts';

/** dev, ino, mode, uid + gid, size, mtime, ctime: what can't change without a trace in one of them. */
const FIELDS = 7;

interface RecordedDirectory {
  /** In order, joined by slashes: one string for a directory costs far less than one for each file. */
  readonly names: string;
  /** Where the numbers of the first name are; the others follow. */
  readonly first: number;
}

/**
 * The metadata of every file below a directory, seven numbers for each, so that what a command touched can be found without reading
 * any content. Time stamps are nanoseconds; no program can set a ctime.
 */
export class WalkRecord {
  readonly #root: ByteString;
  readonly #ignored: (path: TreePath) => boolean;
  #directories = new Map<TreePath, RecordedDirectory>();
  #numbers = new BigInt64Array(FIELDS * 1024);
  #length = 0;

  private constructor(directory: string, ignored: (path: TreePath) => boolean) {
    this.#root = fromText(directory);
    this.#ignored = ignored;
  }

  /**
   * Walks `directory`, in which nothing may be at work, then waits until what is done later has a later ctime.
   * @param clockFile a path on the same file system, for a file that is made and deleted
   * @param ignored what is neither looked at nor entered
   */
  static take(directory: string, clockFile: string, ignored: (path: TreePath) => boolean = () => false): WalkRecord {
    const record = new WalkRecord(directory, ignored);
    record.#walk(() => undefined);
    passClockTick(clockFile);
    return record;
  }

  /** What differs now, parents first. The record becomes that of now. */
  update(clockFile: string): Candidate[] {
    const before = this.#directories;
    const numbers = this.#numbers;
    const found: Candidate[] = [];
    this.#directories = new Map();
    this.#numbers = new BigInt64Array(numbers.length);
    this.#length = 0;
    this.#walk((directory, names, first) => {
      const old = before.get(directory);
      const oldNames = old === undefined || old.names === '' ? [] : old.names.split('/');
      const oldSlots = new Map(oldNames.map((name, index) => [name, (old?.first ?? 0) + index * FIELDS]));
      for (const [index, name] of names.entries()) {
        const slot = oldSlots.get(name);
        oldSlots.delete(name);
        if (slot !== undefined && sameNumbers(numbers, slot, this.#numbers, first + index * FIELDS)) continue;
        const candidate = this.#candidate(joinTreePath(directory, name));
        if (candidate.kind === 'present' || slot !== undefined) found.push(candidate);
      }
      for (const name of oldSlots.keys()) found.push({ kind: 'gone', path: joinTreePath(directory, name) });
    });
    passClockTick(clockFile);
    return found.sort((a, b) => compareTreePaths(a.path, b.path));
  }

  #candidate(path: TreePath): Candidate {
    const disk = joinTreePath(this.#root, path);
    const file = readDiskFile(disk);
    if (file === undefined) return { kind: 'gone', path };
    const inode = `${file.stat.dev}:${file.stat.ino}`;
    return { kind: 'present', path, entry: file.entry, disk: toFsPath(disk), inode };
  }

  #walk(visit: (directory: TreePath, names: readonly string[], first: number) => void): void {
    const pending: TreePath[] = ['' as TreePath];
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      const onDisk = joinTreePath(this.#root, directory);
      const first = this.#length;
      const names = namesIn(onDisk).filter((name) => {
        const path = joinTreePath(directory, name);
        if (this.#ignored(path)) return false;
        const stat = lstatSync(toFsPath(joinTreePath(onDisk, name)), { bigint: true, throwIfNoEntry: false });
        if (stat === undefined) return false;
        this.#write(stat);
        if (stat.isDirectory()) pending.push(path);
        return true;
      });
      this.#directories.set(directory, { names: names.join('/'), first });
      visit(directory, names, first);
    }
  }

  #write(stat: BigIntStats): void {
    const at = this.#length;
    this.#length += FIELDS;
    if (this.#length > this.#numbers.length) {
      const larger = new BigInt64Array(this.#numbers.length * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    const numbers = this.#numbers;
    numbers[at] = stat.dev;
    numbers[at + 1] = stat.ino;
    numbers[at + 2] = stat.mode;
    numbers[at + 3] = (stat.uid << 32n) | stat.gid;
    // A directory's size says nothing that an image would record.
    numbers[at + 4] = stat.isDirectory() ? 0n : stat.size;
    numbers[at + 5] = stat.mtimeNs;
    numbers[at + 6] = stat.ctimeNs;
  }
}

function sameNumbers(a: BigInt64Array, slotA: number, b: BigInt64Array, slotB: number): boolean {
  for (let field = 0; field < FIELDS; field++) if (a[slotA + field] !== b[slotB + field]) return false;
  return true;
}

function namesIn(directory: ByteString): ByteString[] {
  try {
    return (readdirSync(toFsPath(directory), 'latin1') as ByteString[]).sort(compareBytes);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/** Touches a file on the same file system until its ctime moves: stamps come from a clock of some milliseconds' tick. */
function passClockTick(path: string): void {
  const descriptor = openSync(path, 'w', 0o600);
  try {
    const first = fstatSync(descriptor, { bigint: true }).ctimeNs;
    do futimesSync(descriptor, 0, 0);
    while (fstatSync(descriptor, { bigint: true }).ctimeNs === first);
  } finally {
    closeSync(descriptor);
    unlinkSync(path);
  }
}
