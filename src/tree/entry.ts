import type { ByteString } from '../byteString.ts';
import type { Layer } from '../image/image.ts';
import { NO_XATTRS, type FileType, type Timestamp, type Xattrs } from '../tar/header.ts';
import { plainCapability } from './fileCapability.ts';

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

/** An entry that is root's, of 1970 and empty but for what is given. */
export function newEntry(type: FileType, attributes: Partial<Omit<Entry, 'type'>>): Entry {
  return {
    type,
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: { seconds: 0, nanoseconds: 0 },
    linkTarget: '' as ByteString,
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: NO_XATTRS,
    ...attributes,
  };
}

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

/**
 * Whether a layer has no reason to record `now` where `before` is; content is not looked at. Unlike `sameEntry` it passes over what the
 * way through a tar and a disk changes: a directory's time, a link's mode, nanoseconds that one of them does not have.
 */
export function isUnchanged(before: Entry, now: Entry): boolean {
  if (before.type !== now.type || before.uid !== now.uid || before.gid !== now.gid) return false;
  if (now.type !== 'symlink' && before.mode !== now.mode) return false;
  if (!sameXattrs(before.xattrs, now.xattrs)) return false;
  if (now.type === 'directory') return true;
  return (
    before.size === now.size &&
    before.linkTarget === now.linkTarget &&
    before.deviceMajor === now.deviceMajor &&
    before.deviceMinor === now.deviceMinor &&
    sameTime(before.mtime, now.mtime)
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

function sameTime(a: Timestamp, b: Timestamp): boolean {
  return a.seconds === b.seconds && (a.nanoseconds === b.nanoseconds || a.nanoseconds === 0 || b.nanoseconds === 0);
}

function sameXattrs(a: Xattrs, b: Xattrs): boolean {
  if (a.size !== b.size) return false;
  for (const [name, value] of a) {
    const other = b.get(name);
    if (other === value) continue;
    if (other === undefined || name !== 'security.capability') return false;
    if (plainCapability(other) !== plainCapability(value)) return false;
  }
  return true;
}
