import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { MadePath } from './launchSpec.ts';
import { MountPointError, placeMountPoint, type MountPointKind } from './mountPoint.ts';
import { removeMadePaths } from './removeMadePaths.ts';

/** A root beside a directory that nothing may touch. */
function makeRoot(t: TestContext): { root: string; outside: string } {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-mount-point-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const [root, outside] = [join(directory, 'root'), join(directory, 'outside')];
  for (const name of [root, outside, join(root, 'etc'), join(root, 'proc')]) mkdirSync(name);
  writeFileSync(join(root, 'etc/file'), '');
  const links: Record<string, string> = {
    absolute: '/etc',
    climbing: '../../../outside',
    host: outside,
    'etc/dangling': '../run/x',
    round: 'round',
    magic: '/proc/self/root',
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(root, name));
  return { root, outside };
}

const places: readonly (readonly [target: string, kind: MountPointKind, path: string, made: readonly string[]])[] = [
  ['/etc', 'directory', 'etc', []],
  ['/etc/file', 'file', 'etc/file', []],
  ['/etc/new', 'file', 'etc/new', ['etc/new']],
  ['/a/b/c', 'directory', 'a/b/c', ['a', 'a/b', 'a/b/c']],
  ['/absolute/new', 'file', 'etc/new', ['etc/new']],
  ['/etc/dangling', 'file', 'run/x', ['run', 'run/x']],
  ['/climbing', 'directory', 'outside', ['outside']],
  ['/../../etc/./file', 'file', 'etc/file', []],
  [
    '/é/ü',
    'file',
    Buffer.from('é/ü').toString('latin1'),
    ['é', 'é/ü'].map((path) => Buffer.from(path).toString('latin1')),
  ],
];
for (const [target, kind, path, names] of places) {
  test(`a mount at ${target} lands at /${path}, and what was made for it goes again`, (t) => {
    const { root, outside } = makeRoot(t);
    const before = listing(root);
    const made: MadePath[] = [];
    assert.equal(placeMountPoint(root, target, kind, { made }), path);
    assert.deepEqual(
      made.map((one) => one.path),
      names,
    );
    assert.deepEqual(readdirSync(outside), []);
    removeMadePaths(root, made);
    assert.deepEqual(listing(root), before);
  });
}

test('a link to a place of the machine leads to a place of that name in the root', (t) => {
  const { root, outside } = makeRoot(t);
  const path = placeMountPoint(root, '/host/new', 'file', { made: [] });
  assert.equal(`/${path}`, `${outside}/new`);
  assert.deepEqual(readdirSync(outside), []);
  assert.ok(statSync(join(root, path)).isFile());
});

for (const [target, kind, reason] of [
  ['/etc/file/x', 'file', /is a file, where \/etc\/file\/x needs a directory/],
  ['/etc', 'file', /is a directory, where \/etc needs a file/],
  ['/round', 'directory', /too many levels of symbolic links/],
  ['/magic/x', 'file', /leads into \/proc/],
] as const) {
  test(`a mount at ${target} is refused`, (t) => {
    const { root } = makeRoot(t);
    assert.throws(
      () => placeMountPoint(root, target, kind, { made: [], closed: ['proc'] }),
      (error) => error instanceof MountPointError && reason.test(error.message),
    );
  });
}

test('a last link is refused where it is not to be followed', (t) => {
  const { root } = makeRoot(t);
  assert.throws(
    () => placeMountPoint(root, '/host', 'directory', { made: [], followLast: false }),
    /is a symbolic link/,
  );
});

test('what the command made of a mount point stays', (t) => {
  const { root, outside } = makeRoot(t);
  const made: MadePath[] = [];
  placeMountPoint(root, '/kept/file', 'file', { made });
  placeMountPoint(root, '/moved/file', 'file', { made });
  writeFileSync(join(root, 'kept/file'), 'content');
  rmSync(join(root, 'moved'), { recursive: true });
  symlinkSync(outside, join(root, 'moved'));
  writeFileSync(join(outside, 'file'), '');
  removeMadePaths(root, made);
  assert.deepEqual(readdirSync(join(root, 'kept')), ['file']);
  assert.deepEqual(readdirSync(outside), ['file'], 'a link in the way is not followed');
});

function listing(root: string): string[] {
  const found = [`${statSync(root).mtimeMs} ${statSync(join(root, 'etc')).mtimeMs}`];
  const walk = (directory: string): void => {
    for (const file of readdirSync(directory, { withFileTypes: true })) {
      found.push(join(directory, file.name));
      if (file.isDirectory()) walk(join(directory, file.name));
    }
  };
  walk(root);
  return found.sort();
}
