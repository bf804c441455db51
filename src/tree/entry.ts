import type { ByteString } from '../byteString.ts';
import type { Layer } from '../image/image.ts';
import type { FileType, Timestamp, Xattrs } from '../tar/header.ts';

/** What a file is, apart from its name and content. */
export interface Entry {
  readonly type: FileType;
  /** Permission bits with setuid, setgid and sticky: 0–0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Content length in bytes; 0 for anything but a file. */
  readonly size: number;
  readonly mtime: Timestamp;
  /** Of a symlink; else empty. */
  readonly linkTarget: ByteString;
  /** Of devices; else 0. */
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly xattrs: Xattrs;
}

/** Where a regular file's bytes can be had. */
export type Content =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** A path on this machine; opened without following a final link. */
  | { readonly kind: 'disk'; readonly path: string | Buffer }
  /** A file's data in a layer: `offset` is where the data starts in the uncompressed tar, counted in bytes. */
  | { readonly kind: 'layer'; readonly layer: Layer; readonly offset: number };
