import { readFileSync, writeFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { hasProgram, runProgram } from '../bases/program.ts';

export interface TestUser {
  readonly name: string;
  readonly uid: number;
  /** NaN if it has none. */
  readonly firstSubordinate: number;
  /** Words that start a program as this user, with these groups and no privilege. */
  readonly prefix: readonly string[];
}

/** Why `testUser` can't work here; undefined if it can. */
export const NO_TEST_USER: string | undefined =
  process.getuid?.() !== 0
    ? 'needs root to make a user'
    : ['useradd', 'userdel', 'setpriv', 'newuidmap', 'newgidmap']
        .map((name) => (hasProgram(name) ? undefined : `needs ${name}`))
        .find(Boolean);

const FILES = ['/etc/subuid', '/etc/subgid'] as const;

/** A new user of this machine, with 65,536 subordinate ids or none; gone after the test. */
export function testUser(t: TestContext, ids: 'range' | 'none'): TestUser {
  const name = `kasane-test-${process.pid}-${ids}`;
  runProgram('useradd', ['--no-create-home', '-K', 'SUB_UID_COUNT=65536', '-K', 'SUB_GID_COUNT=65536', name]);
  t.after(() => runProgram('userdel', [name]));
  for (const file of FILES) {
    const lines = readFileSync(file, 'utf8').split('\n');
    const others = lines.filter((line) => !line.startsWith(`${name}:`));
    if (ids === 'none') writeFileSync(file, others.join('\n'));
    else if (others.length === lines.length) throw new Error(`useradd gave no range in ${file}`);
  }
  const range = readFileSync(FILES[0], 'utf8').match(new RegExp(`^${name}:(\\d+):`, 'm'));
  const [uid, gid] = ['-u', '-g'].map((flag) => runProgram('id', [flag, name]).trim());
  return {
    name,
    uid: Number(uid),
    firstSubordinate: Number(range?.[1]),
    prefix: ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--inh-caps=-all', '--'],
  };
}
