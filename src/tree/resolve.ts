import { toText, type ByteString } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import { componentsOf } from './path.ts';
import type { NodeId, Tree, TreePath } from './tree.ts';

/** As Linux has it, with room for what builders before us let pass. */
const MAX_LINKS = 255;

/** Where a path leads to. */
export interface Resolved {
  /** Absent if nothing is there. */
  readonly node: NodeId | undefined;
  /** The real path: no component but the last may be a link; components below a missing one are kept as written. */
  readonly path: TreePath;
  readonly components: readonly ByteString[];
}

export interface ResolveOptions {
  /** Whether a link in the last place is followed. Default: true. */
  readonly followLast?: boolean;
}

/**
 * Follows a path inside a tree. Links, absolute or with `..`, never leave the root: the root's parent is the root.
 * @throws BuildError `TOO_MANY_LINKS` for a circle of links
 */
export function resolvePath(tree: Tree, path: string, options: ResolveOptions = {}): Resolved {
  return resolveComponents(tree, componentsOf(path), options);
}

/** `resolvePath` for a path that is split already. */
export function resolveComponents(
  tree: Tree,
  components: readonly ByteString[],
  options: ResolveOptions = {},
): Resolved {
  const followLast = options.followLast ?? true;
  // The nodes from the root to where we are; undefined below something that is missing or no directory.
  const nodes: (NodeId | undefined)[] = [tree.root];
  const names: ByteString[] = [];
  const pending = components.toReversed();
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '.' || name === '') continue;
    if (name === '..') {
      if (names.pop() !== undefined) nodes.pop();
      continue;
    }
    const directory = nodes[nodes.length - 1];
    const node = directory === undefined ? undefined : tree.child(directory, name);
    if (node !== undefined && (pending.length > 0 || followLast)) {
      const entry = tree.entry(node);
      if (entry.type === 'symlink') {
        links++;
        if (links > MAX_LINKS) {
          throw new BuildError(
            'TOO_MANY_LINKS',
            `too many levels of symbolic links in /${toText(components.join('/') as ByteString)}`,
          );
        }
        if (entry.linkTarget.startsWith('/')) {
          nodes.length = 1;
          names.length = 0;
        }
        pending.push(...componentsOf(entry.linkTarget).toReversed());
        continue;
      }
    }
    names.push(name);
    nodes.push(node);
  }
  return { node: nodes[nodes.length - 1], path: names.join('/') as TreePath, components: names };
}
