import { BuildError } from '../errors.ts';
import { hasId, isInitial, type IdMap, type IdMaps } from '../linux/idMap.ts';
import type { ByteString } from '../byteString.ts';
import type { NodeId, Tree, TreePath } from '../tree/tree.ts';
import type { Candidate } from './candidate.ts';

/** What the kernel shows for an id that this user namespace lacks (/proc/sys/fs/overflowuid). */
const OVERFLOW = 65534;

/**
 * On disk root stands in for every owner that this user namespace has no id for. A file that is where the tree has one of
 * such an owner is that owner's still.
 * @throws BuildError `OWNER_NOT_MAPPED` for a file whose owner can't be told
 */
export function ownersFromTree(candidates: readonly Candidate[], below: Tree, ids: IdMaps): readonly Candidate[] {
  if (isInitial(ids)) return candidates;
  return candidates.map((candidate) => {
    if (candidate.kind === 'gone') return candidate;
    const { entry, path } = candidate;
    const node = nodeAt(below, path);
    const before = node === undefined ? undefined : below.entry(node);
    const owner = (now: number, former: number | undefined, map: IdMap): number => {
      if (now === OVERFLOW && !hasId(map, now)) throw unknownOwner(path);
      return now === 0 && former !== undefined && !hasId(map, former) ? former : now;
    };
    const uid = owner(entry.uid, before?.uid, ids.uids);
    const gid = owner(entry.gid, before?.gid, ids.gids);
    return uid === entry.uid && gid === entry.gid ? candidate : { ...candidate, entry: { ...entry, uid, gid } };
  });
}

function nodeAt(tree: Tree, path: TreePath): NodeId | undefined {
  let node: NodeId | undefined = tree.root;
  for (const name of path.split('/') as ByteString[]) {
    node = node === undefined ? undefined : tree.child(node, name);
  }
  return node;
}

function unknownOwner(path: string): BuildError {
  return new BuildError(
    'OWNER_NOT_MAPPED',
    `/${path} belongs to an id that does not exist in this user namespace, so its owner can't be recorded`,
  );
}
