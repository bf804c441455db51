import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { BuildError, hasErrno } from '../errors.ts';

const VERSION = 1;

const NumberText = v.pipe(v.string(), v.regex(/^-?\d+$/));

const JournalSchema = v.object({
  version: v.literal(VERSION),
  root: v.string(),
  aside: v.string(),
  phase: v.picklist(['setting-aside', 'borrowed', 'putting-back']),
  stays: v.array(v.string()),
  holders: v.array(v.string()),
  directories: v.array(
    v.object({ path: v.string(), mode: v.number(), uid: v.number(), gid: v.number(), mtime: NumberText }),
  ),
});

/**
 * What has to be known to put a borrowed root back, on disk before anything is moved. Paths of the root are tree paths: bytes, one
 * code unit each.
 */
export interface BorrowJournal {
  readonly root: string;
  /** Where the root's own files are meanwhile. */
  readonly aside: string;
  /**
   * - `setting-aside`: whatever is in the root is its own;
   * - `borrowed`: whatever is in the root and does not stay is an image's;
   * - `putting-back`: the root holds nothing of an image any more.
   */
  readonly phase: 'setting-aside' | 'borrowed' | 'putting-back';
  readonly stays: readonly string[];
  /** Directories that stay without what is in them. */
  readonly holders: readonly string[];
  /** Directories that are in both places, or were closed to other users, as they were. */
  readonly directories: readonly JournalDirectory[];
}

export interface JournalDirectory {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970. */
  readonly mtime: string;
}

/** Replaces the journal as a whole. */
export function writeJournal(directory: string, journal: BorrowJournal): void {
  const path = join(directory, 'journal.json');
  const descriptor = openSync(`${path}.new`, 'w', 0o600);
  try {
    const bytes = Buffer.from(JSON.stringify({ version: VERSION, ...journal }));
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(`${path}.new`, path);
}

/** @throws BuildError `ROOT_UNREPAIRABLE` for a journal that can't be understood */
export function readJournal(directory: string): BorrowJournal | undefined {
  const path = join(directory, 'journal.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    return v.parse(JournalSchema, JSON.parse(text));
  } catch (cause) {
    throw new BuildError('ROOT_UNREPAIRABLE', `${path}, which says how to put / back, can't be understood`, {
      cause,
      hint: 'Start a new container.',
    });
  }
}

export function removeJournal(directory: string): void {
  rmSync(join(directory, 'journal.json'), { force: true });
}
