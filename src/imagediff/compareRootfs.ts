import { compareBytes, type ByteString } from '../byteString.ts';
import type { PatternMatcher } from '../context/patternMatcher.ts';
import type { Entry } from '../tree/entry.ts';
import { joinTreePath, ROOT_PATH } from '../tree/path.ts';
import type { NodeId, TreePath } from '../tree/tree.ts';
import type { FieldDifference, PathDifference } from './difference.ts';
import { printable } from './printable.ts';
import type { Rootfs } from './rootfs.ts';

export interface CompareRootfsOptions {
  /** Paths that are not looked at. */
  readonly ignore: PatternMatcher;
  /** Whether modification times count. */
  readonly mtime: boolean;
}

/** Every path at which two root file systems differ, parents first, siblings in byte order. */
export function* compareRootfs(a: Rootfs, b: Rootfs, options: CompareRootfsOptions): Generator<PathDifference> {
  const sides = [
    { rootfs: a, links: hardlinkGroups(a, options.ignore) },
    { rootfs: b, links: hardlinkGroups(b, options.ignore) },
  ] as const;
  yield* compareNodes(sides, ROOT_PATH, [a.tree.root, b.tree.root], options);
}

interface Side {
  readonly rootfs: Rootfs;
  /** The names of each file that has several, by inode. */
  readonly links: ReadonlyMap<number, readonly TreePath[]>;
}

function* compareNodes(
  sides: readonly [Side, Side],
  path: TreePath,
  nodes: readonly [NodeId | undefined, NodeId | undefined],
  options: CompareRootfsOptions,
): Generator<PathDifference> {
  const [a, b] = nodes;
  const counts = !options.ignore.excludes(path);
  if (!counts && !options.ignore.mayContainException(path)) return;
  if (a === undefined || b === undefined) {
    const kind = b === undefined ? 'only-in-a' : 'only-in-b';
    const { rootfs } = b === undefined ? sides[0] : sides[1];
    const node = a ?? b ?? rootfs.tree.root;
    const visible = countVisible(rootfs, node, path, options.ignore);
    if (visible === 0) return;
    yield { kind, path: printable(path), type: rootfs.tree.entry(node).type, below: visible - 1 };
    return;
  }
  if (counts) {
    const fields = compareEntries(sides, [a, b], options);
    if (fields.length > 0) yield { kind: 'changed', path: printable(path) || '/', fields };
  }
  const [left, right] = [sides[0].rootfs.tree, sides[1].rootfs.tree];
  for (const name of mergedNames(left.names(a), right.names(b))) {
    yield* compareNodes(sides, joinTreePath(path, name), [left.child(a, name), right.child(b, name)], options);
  }
}

function compareEntries(
  sides: readonly [Side, Side],
  [a, b]: readonly [NodeId, NodeId],
  options: CompareRootfsOptions,
): FieldDifference[] {
  const left = describe(sides[0], a, options);
  const right = describe(sides[1], b, options);
  if (left.get('type') !== right.get('type')) {
    for (const field of TYPE_FIELDS) {
      left.delete(field);
      right.delete(field);
    }
  }
  const fields = new Set([...left.keys(), ...right.keys()]);
  return [...fields]
    .map((field) => ({ field, a: left.get(field), b: right.get(field) }))
    .filter((difference) => difference.a !== difference.b);
}

/** What only one type of file has; no news where the types differ. */
const TYPE_FIELDS = ['size', 'content', 'target', 'device', 'hard links'];

function describe({ rootfs, links }: Side, node: NodeId, options: CompareRootfsOptions): Map<string, string> {
  const entry = rootfs.tree.entry(node);
  const fields = new Map<string, string>([['type', entry.type]]);
  // Linux has no modes of links.
  if (entry.type !== 'symlink') fields.set('mode', entry.mode.toString(8).padStart(4, '0'));
  fields.set('owner', `${entry.uid}:${entry.gid}`);
  if (entry.type === 'file') {
    fields.set('size', String(entry.size));
    fields.set('content', `sha256:${rootfs.contentDigest(node)}`);
  }
  if (entry.type === 'symlink') fields.set('target', printable(entry.linkTarget));
  if (entry.type === 'character' || entry.type === 'block') {
    fields.set('device', `${entry.deviceMajor}:${entry.deviceMinor}`);
  }
  const names = links.get(rootfs.tree.inode(node));
  if (names !== undefined) fields.set('hard links', names.map(printable).join(' = '));
  for (const [name, value] of entry.xattrs) fields.set(`xattr ${printable(name)}`, xattrText(value));
  if (options.mtime) fields.set('mtime', timeText(entry));
  return fields;
}

function xattrText(value: ByteString): string {
  return `0x${Buffer.from(value, 'latin1').toString('hex')}`;
}

function timeText({ mtime }: Entry): string {
  return `${mtime.seconds}.${String(mtime.nanoseconds).padStart(9, '0')}`;
}

/** Names below ignored paths don't count: a file linked to one of them only has one name. */
function hardlinkGroups(rootfs: Rootfs, ignore: PatternMatcher): ReadonlyMap<number, readonly TreePath[]> {
  // First only counted: nearly every file has one name.
  const seen = new Set<number>();
  const shared = new Set<number>();
  for (const { node } of walkFiles(rootfs, ignore)) {
    const inode = rootfs.tree.inode(node);
    if (seen.has(inode)) shared.add(inode);
    seen.add(inode);
  }
  const groups = new Map<number, TreePath[]>();
  if (shared.size === 0) return groups;
  for (const { node, path } of walkFiles(rootfs, ignore)) {
    const inode = rootfs.tree.inode(node);
    if (!shared.has(inode)) continue;
    const group = groups.get(inode);
    if (group === undefined) groups.set(inode, [path]);
    else group.push(path);
  }
  return groups;
}

function* walkFiles(rootfs: Rootfs, ignore: PatternMatcher): Generator<{ node: NodeId; path: TreePath }> {
  for (const found of walk(rootfs, rootfs.tree.root, ROOT_PATH, ignore)) {
    if (rootfs.tree.entry(found.node).type !== 'directory') yield found;
  }
}

function countVisible(rootfs: Rootfs, node: NodeId, path: TreePath, ignore: PatternMatcher): number {
  return walk(rootfs, node, path, ignore).reduce((count) => count + 1, 0);
}

/** A node and all below it, ignored ones left out. */
function* walk(
  rootfs: Rootfs,
  node: NodeId,
  path: TreePath,
  ignore: PatternMatcher,
): Generator<{ node: NodeId; path: TreePath }> {
  const counts = !ignore.excludes(path);
  if (!counts && !ignore.mayContainException(path)) return;
  if (counts) yield { node, path };
  for (const name of rootfs.tree.names(node)) {
    const child = rootfs.tree.child(node, name);
    if (child !== undefined) yield* walk(rootfs, child, joinTreePath(path, name), ignore);
  }
}

function mergedNames(a: readonly ByteString[], b: readonly ByteString[]): readonly ByteString[] {
  return [...new Set([...a, ...b])].sort(compareBytes);
}
