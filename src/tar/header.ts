import type { ByteString } from '../byteString.ts';

export type FileType = 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo';

/** Seconds since 1970 (may be negative) and nanoseconds 0–999,999,999. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Names and values as bytes; `security.capability` is binary. */
export type Xattrs = ReadonlyMap<ByteString, ByteString>;

export const NO_XATTRS: Xattrs = new Map();

/** One entry of an archive, PAX records and GNU long names already applied. */
export interface TarHeader {
  readonly type: FileType | 'hardlink';
  /** As the archive has it, but for a trailing slash: not cleaned, may be absolute or hold `..`. */
  readonly path: ByteString;
  /** Permission bits with setuid, setgid and sticky: 0–0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Length of the content in bytes as a reader of the file sees it (a sparse file's holes included); 0 unless a file. */
  readonly size: number;
  readonly mtime: Timestamp;
  /** Of a symlink or hardlink; else empty. */
  readonly linkTarget: ByteString;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly xattrs: Xattrs;
}
