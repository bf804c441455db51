import { resolvePath } from '../../tree/resolve.ts';
import type { Tree } from '../../tree/tree.ts';
import type { AccountFiles } from '../../tree/users.ts';
import { readSmallFiles, type ReadBlob } from '../localContents.ts';

const PATHS = ['etc/passwd', 'etc/group'] as const;

/** The image's own passwd and group files: never the machine's, never through libc. */
export async function readAccounts(tree: Tree, scratch: string, readBlob: ReadBlob): Promise<AccountFiles> {
  const [passwd, group] = await readSmallFiles(tree, PATHS, scratch, readBlob);
  return { passwd: passwd ?? '', group: group ?? '' };
}

/** The same for the steps of one stage: the layers are read again only if a step has changed these files. */
export function accountReader(readBlob: ReadBlob): (tree: Tree, scratch: string) => Promise<AccountFiles> {
  let known: { readonly identity: string; readonly files: AccountFiles } | undefined;
  return async (tree, scratch) => {
    const identity = PATHS.map((path) => identityOf(tree, path)).join();
    if (known?.identity !== identity) known = { identity, files: await readAccounts(tree, scratch, readBlob) };
    return known.files;
  };
}

/** What stays the same as long as the file that a path leads to does. */
function identityOf(tree: Tree, path: string): string {
  const { node } = resolvePath(tree, path);
  if (node === undefined) return 'nothing';
  const { type, size } = tree.entry(node);
  if (type !== 'file' || size === 0) return `${type} of ${size} bytes`;
  const content = tree.content(node);
  // Anything else is no part of an image and may change at any time.
  return content.kind === 'layer' ? `${content.layer.diffId} at ${content.offset}` : crypto.randomUUID();
}
