import { toText, type ByteString } from '../../byteString.ts';
import { goMatch, PatternSyntaxError } from '../../context/goMatch.ts';
import { componentsOf, joinTreePath } from '../../tree/path.ts';
import { resolvePath } from '../../tree/resolve.ts';
import type { NodeId, Tree, TreePath } from '../../tree/tree.ts';

/** Whether a path has `*`, `?` or `[` that no backslash protects. */
export function hasWildcard(path: string): boolean {
  for (let index = 0; index < path.length; index++) {
    const character = path[index];
    if (character === '\\') index++;
    else if (character === '*' || character === '?' || character === '[') return true;
  }
  return false;
}

/**
 * The paths a wildcard names, as BuildKit finds them: links are followed up to the first wildcard and not below it, each component
 * is matched like Go's `filepath.Match`, a malformed pattern matches nothing. In byte order.
 */
export function matchWildcard(tree: Tree, pattern: string): TreePath[] {
  const components = componentsOf(pattern);
  const first = components.findIndex(hasWildcard);
  const start = resolvePath(tree, components.slice(0, first).join('/'));
  if (start.node === undefined) return [];
  const matchers = components.slice(first).map(compileComponent);
  const matches: TreePath[] = [];
  const descend = (node: NodeId, path: TreePath, depth: number): void => {
    const matcher = matchers[depth];
    if (matcher === undefined) {
      matches.push(path);
      return;
    }
    for (const name of tree.names(node)) {
      const child = matcher(name) ? tree.child(node, name) : undefined;
      if (child !== undefined) descend(child, joinTreePath(path, name), depth + 1);
    }
  };
  descend(start.node, start.path, 0);
  return matches;
}

/** One path component as Go's `filepath.Match` reads it. */
function compileComponent(pattern: string): (name: ByteString) => boolean {
  const text = toText(pattern as ByteString);
  return (name) => {
    try {
      return goMatch(text, toText(name));
    } catch (error) {
      if (error instanceof PatternSyntaxError) return false;
      throw error;
    }
  };
}
