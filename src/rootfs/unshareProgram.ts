import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** util-linux's unshare. The image of kasane has its own beside Node.js, whatever PATH says. */
export function unshareProgram(): string {
  const own = join(dirname(process.execPath), 'unshare');
  return existsSync(own) ? own : 'unshare';
}
