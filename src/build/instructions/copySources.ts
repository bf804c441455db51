import { fromText, toText, type ByteString } from '../../byteString.ts';
import { BuildError } from '../../errors.ts';
import { baseName, cleanTreePath } from '../../tree/path.ts';
import { resolvePath } from '../../tree/resolve.ts';
import type { NodeId, Tree, TreePath } from '../../tree/tree.ts';
import { hasWildcard, matchWildcard } from './wildcard.ts';

/** One thing that COPY takes: a file or directory, links to it followed. */
export interface CopyItem {
  readonly node: NodeId;
  /** The name it gets in a directory: the link's own, if it was found through one. */
  readonly name: ByteString;
  /** As found, links not followed. */
  readonly path: TreePath;
}

/**
 * What a source of COPY or ADD names in a tree; a wildcard may name nothing.
 * @throws BuildError `COPY_SOURCE_MISSING`
 */
export function findSources(tree: Tree, source: string): CopyItem[] {
  const pattern = fromText(source);
  if (!hasWildcard(pattern)) return [findSource(tree, cleanTreePath(pattern), source)];
  return matchWildcard(tree, cleanTreePath(pattern)).map((path) => findSource(tree, path, toText(path)));
}

function findSource(tree: Tree, path: TreePath, shown: string): CopyItem {
  const { node } = resolvePath(tree, path);
  if (node === undefined) {
    throw new BuildError('COPY_SOURCE_MISSING', `${JSON.stringify(`/${cleanTreePath(shown)}`)}: not found`, {
      hint: 'The path is relative to the root of the build context (or of the --from stage); see also .dockerignore.',
    });
  }
  return { node, name: baseName(path), path };
}
