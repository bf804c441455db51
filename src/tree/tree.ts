import type { ByteString } from '../byteString.ts';
import type { Content, Entry } from './entry.ts';

/** A node of one tree; meaningless in another. */
export type NodeId = number;

/**
 * A path inside a tree: components joined by single slashes, no leading or trailing slash, no `.` or `..`; '' is the root.
 */
export type TreePath = ByteString;

/** A read-only view of a file system, whatever it is made of: merged layers, a directory on disk. Links are never followed here. */
export interface Tree {
  readonly root: NodeId;
  child(directory: NodeId, name: ByteString): NodeId | undefined;
  /** In byte order; empty for anything but a directory. */
  names(directory: NodeId): readonly ByteString[];
  entry(node: NodeId): Entry;
  /** Equal for exactly the names that are hard links of one file. */
  inode(node: NodeId): number;
  /** Of a regular file. */
  content(node: NodeId): Content;
}
