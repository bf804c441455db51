import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { TreePath } from '../tree/tree.ts';
import { forgetSecrets, Placements } from './placements.ts';
import { StayingPaths } from './stayingPaths.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';

interface Trial {
  readonly root: string;
  readonly own: string;
  readonly placements: Placements;
}

function trial(t: TestContext, stays: readonly string[] = []): Trial {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-placements-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const root = join(directory, 'root');
  for (const path of ['etc', 'run', 'data']) mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, 'etc/hosts'), 'of the image');
  writeFileSync(join(root, 'data/file'), 'of the image');
  symlinkSync('../run/resolv.conf', join(root, 'etc/resolv.conf'));
  for (const path of ['etc', 'run', 'data', '.']) utimesSync(join(root, path), 1000, 1000);
  const placements = new Placements({
    root,
    stays: new StayingPaths(stays as TreePath[]),
    aside: join(directory, 'aside'),
    // No tmpfs: secrets are files of their own.
    memory: join(directory, 'none'),
  });
  return { root, own: directory, placements };
}

const file = (path: string) => ({ path, content: Buffer.from('placed'), mode: 0o644 });

test('what is placed is there for the command, and afterwards everything is as it was', { skip }, (t) => {
  const { root, own, placements } = trial(t);
  const before = listing(root);
  mkdirSync(join(own, 'cache'));
  for (const name of ['bound', 'other']) writeFileSync(join(own, name), name);
  placements.placeFile(file('/etc/hosts'));
  placements.placeFile(file('/etc/resolv.conf'));
  placements.placeFile(file('/new/deep/file'));
  placements.placeMount({ kind: 'bind', source: join(own, 'cache'), target: '/data', readOnly: false });
  placements.placeMount({ kind: 'bind', source: join(own, 'bound'), target: '/data/inner', readOnly: true });
  placements.placeMount({ kind: 'scratch-copy', source: join(own, 'other'), target: '/copy' });
  placements.placeMount({ kind: 'tmpfs', target: '/tmp', mode: 0o1777 });
  placements.placeMount({
    kind: 'secret',
    target: '/run/secrets/s',
    content: Buffer.from('s'),
    mode: 0o400,
    uid: 5,
    gid: 6,
  });
  assert.equal(readFileSync(join(root, 'etc/hosts'), 'utf8'), 'placed');
  assert.equal(readFileSync(join(root, 'run/resolv.conf'), 'utf8'), 'placed');
  assert.deepEqual(readdirSync(join(root, 'data')), ['inner']);
  const secret = lstatSync(join(root, 'run/secrets/s'));
  assert.deepEqual([secret.mode & 0o777, secret.uid, secret.gid], [0o400, 5, 6]);
  writeFileSync(join(root, 'data/kept'), 'in the cache');
  writeFileSync(join(root, 'tmp/gone'), '');
  writeFileSync(join(root, 'etc/hosts'), 'written to');
  placements[Symbol.dispose]();
  assert.deepEqual(listing(root), before);
  assert.deepEqual(readdirSync(join(own, 'cache')), ['kept']);
  assert.equal(readFileSync(join(own, 'bound'), 'utf8'), 'bound');
});

test('what the command made of the places does not matter', { skip }, (t) => {
  const { root, own, placements } = trial(t);
  mkdirSync(join(own, 'cache'));
  mkdirSync(join(own, 'outside'));
  placements.placeFile(file('/etc/hosts'));
  placements.placeFile(file('/made/file'));
  placements.placeMount({ kind: 'bind', source: join(own, 'cache'), target: '/data', readOnly: false });
  rmSync(join(root, 'etc'), { recursive: true });
  rmSync(join(root, 'data'), { recursive: true });
  symlinkSync(join(own, 'outside'), join(root, 'data'));
  rmSync(join(root, 'made'), { recursive: true });
  symlinkSync(join(own, 'outside'), join(root, 'made'));
  placements[Symbol.dispose]();
  assert.equal(existsSync(join(root, 'etc')), false);
  assert.equal(readFileSync(join(root, 'data/file'), 'utf8'), 'of the image');
  assert.deepEqual(readdirSync(join(own, 'outside')), []);
});

test("a mount of the container is left alone, and is no place for a RUN's", { skip }, (t) => {
  const { root, placements } = trial(t, ['etc/hosts', 'data/volume']);
  placements.placeFile(file('/etc/hosts'));
  assert.equal(readFileSync(join(root, 'etc/hosts'), 'utf8'), 'of the image');
  for (const target of ['/data', '/etc']) {
    assert.throws(() => placements.placeMount({ kind: 'tmpfs', target, mode: 0o755 }), { code: 'MOUNT_IMPOSSIBLE' });
  }
  placements[Symbol.dispose]();
});

test("an agent's socket is reached under the name that the command knows", { skip }, async (t) => {
  const { root, own, placements } = trial(t);
  const path = join(own, 'agent');
  const server = createServer((client) => client.end('agent'));
  t.after(() => server.close());
  server.listen(path);
  await once(server, 'listening');
  placements.placeMount({ kind: 'bind', source: path, target: '/run/agent.0', readOnly: false });
  const client = connect(join(root, 'run/agent.0'));
  const [answer] = (await once(client, 'data')) as [Buffer];
  client.destroy();
  assert.equal(answer.toString(), 'agent');
  placements[Symbol.dispose]();
  assert.ok(lstatSync(path).isSocket());
  assert.deepEqual(readdirSync(join(root, 'run')), []);
});

test('secrets that a killed build left in memory are removed, and nothing else', (t) => {
  const memory = mkdtempSync(join(tmpdir(), 'kasane-memory-'));
  t.after(() => rmSync(memory, { recursive: true, force: true }));
  for (const name of ['kasane-secret-a', 'other']) mkdirSync(join(memory, name));
  chmodSync(join(memory, 'other'), 0o700);
  forgetSecrets(memory);
  assert.deepEqual(readdirSync(memory), ['other']);
});

function listing(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => {
      const { mode, uid, mtimeMs } = lstatSync(join(directory, name));
      return `${name} ${mode.toString(8)} ${uid} ${mtimeMs}`;
    })
    .sort();
}
