import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { BuildError } from '../errors.ts';
import { resolveOwner, resolveUser, type AccountFiles, type UserIds } from './users.ts';

const FILES: AccountFiles = {
  passwd: [
    'root:x:0:0:root:/root:/bin/sh',
    '# a comment',
    '',
    'app:x:1000:1001:App,,,:/home/app:/bin/sh',
    'nohome:x:1002:1002::',
    'short:x:1003',
    'bad:x:abc:1::/:',
    '123:x:2000:2001::/numeric:',
    'app:x:3000:3000::/second:',
  ].join('\n'),
  group: ['root:x:0:', 'app:x:1001:', 'wheel:x:10:root,app', 'docker:x:999:app, nohome', 'bad:x:y:app', '77:x:5:'].join(
    '\n',
  ),
};

const ROOT: UserIds = { uid: 0, gid: 0, groups: [0, 10], home: '/root' };
const APP: UserIds = { uid: 1000, gid: 1001, groups: [1001, 10, 999], home: '/home/app' };

suite('USER means in an image what runc makes of it', () => {
  const table: readonly (readonly [user: string, ids: UserIds])[] = [
    ['', ROOT],
    ['root', ROOT],
    ['0', ROOT],
    ['app', APP],
    ['1000', APP],
    ['app:', APP],
    ['app:wheel', { uid: 1000, gid: 10, groups: [10], home: '/home/app' }],
    ['app:4242', { uid: 1000, gid: 4242, groups: [4242], home: '/home/app' }],
    ['4242', { uid: 4242, gid: 0, groups: [0], home: '/' }],
    ['4242:4243', { uid: 4242, gid: 4243, groups: [4243], home: '/' }],
    [':wheel', { uid: 0, gid: 10, groups: [10], home: '/root' }],
    ['nohome', { uid: 1002, gid: 1002, groups: [1002, 999], home: '/' }],
    ['4294967294', { uid: 4294967294, gid: 0, groups: [0], home: '/' }],
  ];
  for (const [user, ids] of table) {
    test(JSON.stringify(user), () => assert.deepEqual(resolveUser(user, FILES), ids));
  }

  test('an image without account files has root and numbers', () => {
    const none = { passwd: '', group: '' };
    assert.deepEqual(resolveUser('', none), { uid: 0, gid: 0, groups: [0], home: '/' });
    assert.deepEqual(resolveUser('7:8', none), { uid: 7, gid: 8, groups: [8], home: '/' });
  });
});

suite('--chown names an owner', () => {
  const table: readonly (readonly [owner: string, ids: { uid: number; gid: number }])[] = [
    ['app', { uid: 1000, gid: 1001 }],
    ['app:wheel', { uid: 1000, gid: 10 }],
    ['app:5', { uid: 1000, gid: 5 }],
    ['55', { uid: 55, gid: 55 }],
    ['55:66', { uid: 55, gid: 66 }],
    ['55:wheel', { uid: 55, gid: 10 }],
  ];
  for (const [owner, ids] of table) {
    test(owner, () => assert.deepEqual(resolveOwner(owner, FILES), ids));
  }
});

test('a name that the image does not know is an error that names it', () => {
  const table: readonly (readonly [() => unknown, RegExp])[] = [
    [() => resolveUser('nobody', FILES), /unable to find user nobody/],
    [() => resolveUser('app:nogroup', FILES), /unable to find group nogroup/],
    [() => resolveUser('bad', FILES), /unable to find user bad/],
    [() => resolveUser('-1', FILES), /unable to find user -1/],
    [() => resolveUser('4294967295', FILES), /unable to find user 4294967295/],
    [() => resolveOwner('nobody', FILES), /invalid user "nobody"/],
    [() => resolveOwner('0:nogroup', FILES), /unable to find group nogroup/],
  ];
  for (const [resolve, message] of table) {
    assert.throws(
      resolve,
      (error) => error instanceof BuildError && error.code === 'USER_UNKNOWN' && message.test(error.message),
    );
  }
});
