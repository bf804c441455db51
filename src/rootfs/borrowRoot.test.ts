import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readMounts } from '../linux/mountinfo.ts';
import { unmount } from '../linux/mount.ts';
import { readJournal, writeJournal } from './borrowJournal.ts';
import { BorrowedRoot, repairRoot } from './borrowRoot.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';

let directory: string;
let count = 0;

/** A container's root: files, links, a mount in the middle of a directory, and kasane's own directory. */
interface Container {
  readonly root: string;
  readonly own: string;
  readonly borrow: () => BorrowedRoot;
  /** Everything there is, with its metadata, as find prints it. */
  readonly listing: () => string;
}

describe('borrowing a root', { skip }, () => {
  before(() => {
    directory = mkdtempSync('/var/tmp/kasane-borrow-');
  });
  after(() => {
    for (const { target } of readMounts().toReversed()) if (target.startsWith(directory)) unmount(target);
    rmSync(directory, { recursive: true, force: true });
  });

  test('gives an empty root and puts everything back as it was', () => {
    const { root, listing, borrow } = container();
    const original = listing();
    const borrowed = borrow();
    assert.deepEqual(readdirSync(root).sort(), ['data', 'etc', 'kaniko']);
    assert.deepEqual(readdirSync(join(root, 'etc')), ['hosts']);
    fillWithImage(root);
    borrowed.wipe();
    assert.deepEqual(readdirSync(root).sort(), ['data', 'etc', 'kaniko']);
    fillWithImage(root);
    borrowed.putBack();
    borrowed.putBack();
    assert.equal(listing(), original);
  });

  test('never enters a mount', () => {
    const { root, borrow } = container();
    const borrowed = borrow();
    fillWithImage(root);
    mkdirSync(join(root, 'late'));
    execFileSync('mount', ['--bind', join(directory, 'volume'), join(root, 'late')]);
    borrowed.wipe();
    assert.equal(readFileSync(join(directory, 'volume/kept'), 'utf8'), 'kept');
    execFileSync('umount', [join(root, 'late')]);
    borrowed.putBack();
    assert.equal(readFileSync(join(root, 'data/volume/kept'), 'utf8'), 'kept');
    assert.equal(existsSync(join(root, 'late')), false);
  });

  test('says where the files of the container lie meanwhile', () => {
    const { root, borrow } = container();
    const path = join(root, 'home/file');
    const mounted = join(root, 'data/volume/kept');
    const borrowed = borrow();
    assert.equal(readFileSync(borrowed.whereIs(path), 'utf8'), 'home');
    assert.equal(borrowed.whereIs(mounted), mounted);
    assert.deepEqual(readdirSync(borrowed.whereIs(join(root, 'data'))).sort(), ['own', 'volume']);
    assert.equal(borrowed.whereIs('/elsewhere'), '/elsewhere');
    borrowed.putBack();
    assert.equal(borrowed.whereIs(path), path);
  });

  for (const phase of ['setting-aside', 'borrowed', 'putting-back'] as const) {
    test(`is repaired when the build was killed while ${phase}`, async () => {
      const { root, own, listing } = container();
      const original = listing();
      borrowAndDie(root, own);
      const state = join(own, 'in-place');
      const journal = readJournal(state);
      assert.ok(journal);
      if (phase === 'borrowed') fillWithImage(root);
      else {
        // Half of the way: some are still, or already, in their places.
        execFileSync('mv', [join(journal.aside, 'home'), join(root, 'home')]);
        mkdirSync(join(root, 'many'));
        execFileSync('mv', [join(journal.aside, 'many/1'), join(root, 'many/1')]);
      }
      writeJournal(state, { ...journal, phase });
      assert.equal(await repairRoot(state), true);
      assert.equal(withoutTimes(listing()), withoutTimes(original));
      assert.equal(await repairRoot(state), false);
    });
  }

  test('a directory of a lower layer, which an overlay renames for nobody, comes back too', () => {
    const { listing, borrow, root } = container(onOverlay);
    const original = listing();
    const borrowed = borrow();
    assert.deepEqual(readdirSync(root).sort(), ['data', 'etc', 'kaniko']);
    borrowed.putBack();
    assert.equal(listing(), original);
  });

  test('two builds do not borrow at once', () => {
    const { borrow } = container();
    const borrowed = borrow();
    assert.throws(borrow, { code: 'ROOT_BORROWED' });
    borrowed.putBack();
    borrow().putBack();
  });
});

function container(place: (root: string) => void = () => undefined): Container {
  const root = join(directory, `root-${count++}`);
  mkdirSync(join(directory, 'volume'), { recursive: true });
  writeFileSync(join(directory, 'volume/kept'), 'kept');
  writeFileSync(join(directory, 'hosts'), '127.0.0.1 localhost\n');
  mkdirSync(root);
  writeContainer(root);
  place(root);
  execFileSync('mount', ['--bind', join(directory, 'volume'), join(root, 'data/volume')]);
  execFileSync('mount', ['--bind', join(directory, 'hosts'), join(root, 'etc/hosts')]);
  const own = join(root, 'kaniko');
  return {
    root,
    own,
    borrow: () => BorrowedRoot.borrow({ directory: join(own, 'in-place'), own: [own], root }),
    listing: () =>
      execFileSync('find', [root, '-not', '-path', '*/kaniko/*', '-printf', '%P %y %m %U:%G %s %n %T@ %l\n'], {
        encoding: 'utf8',
      })
        .split('\n')
        // The size of a directory is how it came to be.
        .map((line) => line.replace(/^(\S* d \S+ \S+) \d+/, '$1').replace(/^(\S* d .*) \d+ (\S+ )$/, '$1 $2'))
        .filter((line) => !line.startsWith('kaniko '))
        .sort()
        .join('\n'),
  };
}

function writeContainer(root: string): void {
  for (const path of ['etc', 'home', 'data/own', 'data/volume', 'kaniko/dist', 'many'])
    mkdirSync(join(root, path), { recursive: true });
  for (const name of ['1', '2', '3']) writeFileSync(join(root, 'many', name), name);
  writeFileSync(join(root, 'etc/hosts'), '');
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  writeFileSync(join(root, 'home/file'), 'home', { mode: 0o4711 });
  linkSync(join(root, 'home/file'), join(root, 'home/linked'));
  symlinkSync('../gone', join(root, 'home/link'));
  writeFileSync(join(root, 'kaniko/dist/cli.js'), '');
  chmodSync(join(root, 'data'), 0o2755);
  for (const path of ['home', 'data', 'etc', '.']) utimesSync(join(root, path), 1000, 1000);
}

function onOverlay(root: string): void {
  const upper = join(directory, `upper-${count++}`);
  const work = join(directory, `work-${count++}`);
  for (const path of [upper, work]) mkdirSync(path);
  execFileSync('mount', [
    '-t',
    'overlay',
    '-o',
    `lowerdir=${root},upperdir=${upper},workdir=${work},index=on`,
    'overlay',
    root,
  ]);
}

function fillWithImage(root: string): void {
  for (const path of ['usr/bin', 'home', 'etc/apt']) mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, 'usr/bin/sh'), '');
  writeFileSync(join(root, 'home/file'), 'of the image');
  writeFileSync(join(root, 'etc/apt/sources.list'), '');
  symlinkSync('/etc', join(root, 'usr/link'));
  chmodSync(join(root, 'etc'), 0o700);
  chmodSync(root, 0o711);
}

function withoutTimes(listing: string): string {
  return listing.replaceAll(/ \d+\.\d+ /g, ' ');
}

/** Borrows in a process that is killed. */
function borrowAndDie(root: string, own: string): void {
  const script = `
    import { BorrowedRoot } from ${JSON.stringify(join(import.meta.dirname, 'borrowRoot.ts'))};
    BorrowedRoot.borrow(${JSON.stringify({ directory: join(own, 'in-place'), own: [own], root })});
    process.kill(process.pid, 'SIGKILL');`;
  const flags = ['--experimental-ffi', '--disable-warning=ExperimentalWarning', '--input-type=module'];
  const { signal, stderr } = spawnSync(process.execPath, [...flags, '--eval', script], { encoding: 'utf8' });
  assert.equal(signal, 'SIGKILL', stderr);
}
