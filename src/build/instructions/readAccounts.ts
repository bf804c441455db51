import type { AccountFiles } from '../../tree/users.ts';
import type { Tree } from '../../tree/tree.ts';
import { readSmallFiles, type ReadBlob } from '../localContents.ts';

/** The image's own passwd and group files: never the machine's, never through libc. */
export async function readAccounts(tree: Tree, scratch: string, readBlob: ReadBlob): Promise<AccountFiles> {
  const [passwd, group] = await readSmallFiles(tree, ['etc/passwd', 'etc/group'], scratch, readBlob);
  return { passwd: passwd ?? '', group: group ?? '' };
}
