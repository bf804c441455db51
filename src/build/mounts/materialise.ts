import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { fromText } from '../../byteString.ts';
import { BuildError } from '../../errors.ts';
import { applyChanges } from '../../layer/applyChanges.ts';
import { applyAttributes } from '../../layer/layerDirectoryWriter.ts';
import type { Change } from '../../tree/change.ts';
import { diffTrees } from '../../tree/diffTrees.ts';
import { LayerTree } from '../../tree/layerTree.ts';
import { cleanTreePath } from '../../tree/path.ts';
import { resolvePath } from '../../tree/resolve.ts';
import { subtree } from '../../tree/subtree.ts';
import type { Tree } from '../../tree/tree.ts';
import type { ReadBlob } from '../localContents.ts';

/**
 * Makes a file or directory of a tree real below `scratch`, with the tree's owners and modes; links on the way to it are followed
 * inside the tree. Gives its path.
 * @throws BuildError `MOUNT_SOURCE_MISSING`
 */
export async function materialise(tree: Tree, source: string, scratch: string, readBlob: ReadBlob): Promise<string> {
  const { node } = resolvePath(tree, fromText(source));
  if (node === undefined) {
    throw new BuildError('MOUNT_SOURCE_MISSING', `${JSON.stringify(`/${cleanTreePath(source)}`)}: not found`, {
      hint: 'The source of a mount is relative to the root of the build context, or of what from= names.',
    });
  }
  const directory = mkdtempSync(join(scratch, 'mount-'));
  const entry = tree.entry(node);
  if (entry.type === 'directory') {
    const root = join(directory, 'root');
    mkdirSync(root);
    await applyChanges(diffTrees(LayerTree.empty(), subtree(tree, node)), root, readBlob);
    applyAttributes(root, entry);
    return root;
  }
  const put: Change = {
    kind: 'put',
    path: cleanTreePath('file'),
    entry,
    ...(entry.type === 'file' ? { content: tree.content(node) } : {}),
  };
  await applyChanges([put], directory, readBlob);
  return join(directory, 'file');
}
