/**
 * A process that stays outside while its parent turns into one in a new user namespace: only from outside can more than one id be
 * given to it. Its argument is a `UserNamespacePlan` as JSON. Says on standard error why it failed; else nothing.
 */
import { spawnSync } from 'node:child_process';
import { readlinkSync, writeFileSync, writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import { formatIdMap, type IdMap } from '../linux/idMap.ts';
import type { UserNamespacePlan } from './userNamespacePlan.ts';

const PATIENCE_MILLISECONDS = 10_000;
const POLL_MILLISECONDS = 1;

const parent = process.ppid;
const plan = JSON.parse(process.argv[2] ?? '') as UserNamespacePlan;
try {
  await parentIsInside();
  writeMap('uid', plan.uids);
  writeMap('gid', plan.gids);
} catch (error) {
  writeSync(2, `${messageOf(error)}\n`);
  process.exitCode = 1;
}

async function parentIsInside(): Promise<void> {
  const outside = readlinkSync('/proc/self/ns/user');
  for (let waited = 0; readlinkSync(`/proc/${parent}/ns/user`) === outside; waited += POLL_MILLISECONDS) {
    if (waited > PATIENCE_MILLISECONDS) throw new Error('no user namespace was entered');
    await setTimeout(POLL_MILLISECONDS);
  }
}

function writeMap(kind: 'uid' | 'gid', map: IdMap): void {
  if (plan.writer === 'direct') {
    writeFileSync(`/proc/${parent}/${kind}_map`, formatIdMap(map), { flag: 'r+' });
    return;
  }
  const words = map.flatMap(({ inside, outside, count }) => [inside, outside, count]).map(String);
  const { status, stderr, error } = spawnSync(`new${kind}map`, [String(parent), ...words], { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`new${kind}map: ${stderr.trim() === '' ? `exit code ${status}` : stderr.trim()}`);
}
