import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { MAX_MOUNT_DATA, mount, unmount } from './mount.ts';
import { runNode } from './runNode.ts';

/** Each test runs in a Node of its own, in a mount namespace of its own. */
const NAMESPACE = ['unshare', '--mount', '--propagation', 'private'];
const MODULES = ['mount', 'mountinfo'];

let reason: string | undefined;
before(() => {
  try {
    runNode(MODULES, 'print(null)', NAMESPACE);
  } catch (error) {
    reason = `mount namespaces are refused here (${String(error)})`;
  }
});

describe('in a mount namespace', () => {
  const cases = [
    {
      name: 'mounts appear in mountinfo with their options, and go away',
      statements: `
        mount_.mount({ source: 'a b\\\\c', target, type: 'tmpfs', flags: mount_.MOUNT.noSuid | mount_.MOUNT.noDevices, data: 'size=64k,mode=711' });
        const found = mountinfo_.readMounts().find((m) => m.target === target);
        mount_.unmount(target, mount_.UNMOUNT.noFollow);
        print([found.source, found.type, found.options.includes('nosuid'), found.fileSystemOptions.includes('size=64k'), found.propagation,
          mountinfo_.readMounts().some((m) => m.target === target)]);`,
      expected: ['a b\\c', 'tmpfs', true, true, [], false],
    },
    {
      name: 'a bind mount can be made read-only',
      statements: `
        mount_.mount({ source: '/etc', target, flags: mount_.MOUNT.bind });
        mount_.mount({ target, flags: mount_.MOUNT.bind | mount_.MOUNT.remount | mount_.MOUNT.readOnly });
        print(attempt(() => fs.writeFileSync(target + '/kasane-test', '')));`,
      expected: 'EROFS',
    },
    {
      name: 'pivot_root changes the root',
      statements: `
        mount_.mount({ source: 'none', target, type: 'tmpfs' });
        fs.mkdirSync(target + '/old');
        fs.writeFileSync(target + '/new-root', '');
        mount_.pivotRoot(target, target + '/old');
        process.chdir('/');
        mount_.unmount('/old', mount_.UNMOUNT.detach);
        fs.writeSync(1, JSON.stringify(fs.readdirSync('/')));`,
      expected: ['new-root', 'old'],
    },
    {
      name: 'a mount moved onto the root and a chroot change the root where pivot_root is refused',
      statements: `
        mount_.mount({ source: 'none', target, type: 'tmpfs' });
        fs.writeFileSync(target + '/new-root', '');
        process.chdir(target);
        mount_.mount({ source: '.', target: '/', flags: mount_.MOUNT.move });
        mount_.chroot('.');
        fs.writeSync(1, JSON.stringify(fs.readdirSync('/')));`,
      expected: ['new-root'],
    },
  ];
  for (const { name, statements, expected } of cases) {
    test(name, (t) => {
      if (reason !== undefined) {
        t.skip(reason);
        return;
      }
      const target = fs.mkdtempSync(join(tmpdir(), 'kasane-mount-'));
      t.after(() => fs.rmSync(target, { recursive: true, force: true }));
      const program = `const target = ${JSON.stringify(target)};\n${statements}`;
      assert.deepEqual(runNode(MODULES, program, NAMESPACE), expected);
    });
  }
});

test('failures name source and target', () => {
  assert.throws(() => mount({ source: 'none', target: '/does/not/exist', type: 'tmpfs' }), {
    code: /^(ENOENT|EPERM)$/,
    syscall: 'mount',
    path: 'none',
    dest: '/does/not/exist',
  });
  assert.throws(() => unmount('/does/not/exist'), { code: /^(ENOENT|EPERM)$/, path: '/does/not/exist' });
});

test('options that the kernel would cut are refused', () => {
  const data = 'o'.repeat(MAX_MOUNT_DATA + 1);
  assert.throws(() => mount({ target: '/does/not/exist', type: 'overlay', data }), RangeError);
});
