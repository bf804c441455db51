import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Capability } from '../linux/capabilities.ts';
import { planUserNamespace, subordinateIds, type UserNamespaceFacts } from './userNamespacePlan.ts';

const ALL = [{ inside: 0, outside: 0, count: 4294967295 }];
const IDENTITY: readonly Capability[] = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETFCAP'];

const USER: UserNamespaceFacts = {
  uid: 1000,
  gid: 100,
  uids: ALL,
  gids: ALL,
  effective: new Set(),
  noNewPrivileges: false,
  subuid: 'eve:100000:65536\nann:165536:65536\n1000:500000:10\n',
  subgid: 'ann:265536:65536\n',
  names: ['ann'],
  hasMapPrograms: true,
};
const ROOT: UserNamespaceFacts = { ...USER, uid: 0, gid: 0, names: ['root'], effective: new Set(IDENTITY) };

test('an ordinary user is root, with the ranges of name and number above', () => {
  assert.deepEqual(planUserNamespace(USER), {
    writer: 'programs',
    uids: [
      { inside: 0, outside: 1000, count: 1 },
      { inside: 1, outside: 165536, count: 65536 },
      { inside: 65537, outside: 500000, count: 10 },
    ],
    gids: [
      { inside: 0, outside: 100, count: 1 },
      { inside: 1, outside: 265536, count: 65536 },
    ],
  });
});

test('root keeps all the ids it has, each under its number', () => {
  assert.deepEqual(planUserNamespace(ROOT), { writer: 'direct', uids: ALL, gids: ALL });
  const pod = [
    { inside: 0, outside: 300000, count: 65536 },
    { inside: 70000, outside: 400000, count: 1 },
  ];
  const { uids } = planUserNamespace({ ...ROOT, uids: pod });
  assert.deepEqual(uids, [
    { inside: 0, outside: 0, count: 65536 },
    { inside: 70000, outside: 70000, count: 1 },
  ]);
});

const SINGLE: readonly (readonly [reason: string, facts: UserNamespaceFacts])[] = [
  ['/etc/subuid has no range for user ann', { ...USER, subuid: 'eve:1:1\n' }],
  ['/etc/subgid has no range for user 1000', { ...USER, names: [], subgid: '' }],
  ['newuidmap and newgidmap are not installed (package uidmap)', { ...USER, hasMapPrograms: false }],
  ['no_new_privs is set, so that newuidmap gets no privilege', { ...USER, noNewPrivileges: true }],
  [
    'this process is in a user namespace that has a single id itself',
    { ...USER, uids: [{ inside: 1000, outside: 1000, count: 1 }] },
  ],
  ['root lacks one of CAP_SETUID, CAP_SETGID, CAP_SETFCAP', { ...ROOT, effective: new Set(IDENTITY.slice(0, 2)) }],
];
for (const [reason, facts] of SINGLE) {
  test(`a single id: ${reason}`, () => {
    assert.deepEqual(planUserNamespace(facts), {
      writer: 'self',
      uids: [{ inside: 0, outside: facts.uid, count: 1 }],
      gids: [{ inside: 0, outside: facts.gid, count: 1 }],
      reason,
    });
  });
}

test('lines of subuid that are none are passed over', () => {
  const text = '# ann:1:1\n\nann\nann:x:5\nann:5:0\nann:5:\n ann:7:2 \nanna:9:9\n';
  assert.deepEqual(subordinateIds(text, ['ann']), [{ first: 7, count: 2 }]);
});
