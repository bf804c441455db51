import { BuildError } from '../../errors.ts';
import { resolveOwner, type AccountFiles } from '../../tree/users.ts';

const ROOT = { uid: 0, gid: 0 };

/** Whose the directories are that WORKDIR makes: the USER's; root's where the image does not know that name, as BuildKit has it. */
export async function workdirOwner(
  user: string,
  accounts: () => Promise<AccountFiles>,
): Promise<{ readonly uid: number; readonly gid: number }> {
  if (user === '' || user === '0' || user === '0:0') return ROOT;
  try {
    return resolveOwner(user, await accounts());
  } catch (error) {
    if (error instanceof BuildError && error.code === 'USER_UNKNOWN') return ROOT;
    throw error;
  }
}
