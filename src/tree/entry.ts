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

/** Whether two files are alike in everything but name and content. */
export function sameEntry(a: Entry, b: Entry): boolean {
  return (
    a.type === b.type &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.size === b.size &&
    a.mtime.seconds === b.mtime.seconds &&
    a.mtime.nanoseconds === b.mtime.nanoseconds &&
    a.linkTarget === b.linkTarget &&
    a.deviceMajor === b.deviceMajor &&
    a.deviceMinor === b.deviceMinor &&
    sameXattrs(a.xattrs, b.xattrs)
  );
}

/** Equal for contents that lie in the same place; nothing is read. */
export function contentKey(content: Content): string | Uint8Array {
  switch (content.kind) {
    case 'bytes':
      return content.bytes;
    case 'disk':
      return `disk:${content.path.toString('latin1')}`;
    case 'layer':
      return `layer:${content.layer.diffId}:${content.offset}`;
  }
}

function sameXattrs(a: Xattrs, b: Xattrs): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}
