import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fromText, toText, type ByteString } from '../byteString.ts';
import { setXattr } from '../linux/xattr.ts';
import { resolvePath } from '../tree/resolve.ts';
import type { NodeId, Tree } from '../tree/tree.ts';
import { openContextTree } from './contextTree.ts';
import { compilePatterns } from './patternMatcher.ts';

function makeContext(t: TestContext, files: readonly string[] = []): string {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-context-'));
  t.after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  for (const file of files) {
    mkdirSync(join(directory, dirname(file)), { recursive: true });
    writeFileSync(join(directory, file), file);
  }
  return directory;
}

function list(tree: Tree, node: NodeId = tree.root, prefix = ''): string[] {
  const paths: string[] = [];
  for (const name of tree.names(node)) {
    const child = tree.child(node, name);
    assert.ok(child !== undefined);
    paths.push(prefix + toText(name), ...list(tree, child, `${prefix}${toText(name)}/`));
  }
  return paths;
}

function find(tree: Tree, path: string): NodeId {
  const { node } = resolvePath(tree, fromText(path), { followLast: false });
  assert.ok(node !== undefined, path);
  return node;
}

test('a file keeps its mode and time and belongs to root', (t) => {
  const directory = makeContext(t, ['bin/tool']);
  chmodSync(join(directory, 'bin/tool'), 0o4751);
  utimesSync(join(directory, 'bin/tool'), 100, 1_600_000_000);
  const tree = openContextTree(directory);
  const entry = tree.entry(find(tree, 'bin/tool'));
  assert.deepEqual(
    { ...entry, xattrs: [...entry.xattrs] },
    {
      type: 'file',
      mode: 0o4751,
      uid: 0,
      gid: 0,
      size: 8,
      mtime: { seconds: 1_600_000_000, nanoseconds: 0 },
      linkTarget: '',
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: [],
    },
  );
  assert.deepEqual(tree.content(find(tree, 'bin/tool')), { kind: 'disk', path: join(directory, 'bin/tool') });
});

test('names come in byte order, whatever bytes they are', (t) => {
  const directory = makeContext(t, ['a.b', 'a/x', 'a-b', 'é', 'B']);
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0x41])]), 'raw');
  const tree = openContextTree(directory);
  const names = ['B', 'a', 'a-b', 'a.b', fromText('é'), '\xffA'];
  assert.deepEqual(tree.names(tree.root), names);
  const raw = tree.child(tree.root, '\xffA' as ByteString);
  assert.ok(raw !== undefined);
  assert.equal(tree.entry(raw).size, 3);
});

test('hard links are told from copies, however they are found', (t) => {
  const directory = makeContext(t, ['a/one', 'b/copy']);
  linkSync(join(directory, 'a/one'), join(directory, 'b/two'));
  const tree = openContextTree(directory);
  const two = tree.inode(find(tree, 'b/two'));
  list(tree);
  assert.equal(tree.inode(find(tree, 'a/one')), two);
  assert.notEqual(tree.inode(find(tree, 'b/copy')), two);
});

test('links, fifos and dangling links are entries; sockets are not there', async (t) => {
  const directory = makeContext(t, ['file']);
  symlinkSync('nowhere', join(directory, 'dangling'));
  execFileSync('mkfifo', [join(directory, 'fifo')]);
  const server = createServer().listen(join(directory, 'socket'));
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  const tree = openContextTree(directory);
  assert.deepEqual(list(tree), ['dangling', 'fifo', 'file']);
  assert.equal(tree.entry(find(tree, 'dangling')).linkTarget, 'nowhere');
  assert.equal(tree.entry(find(tree, 'fifo')).type, 'fifo');
  assert.equal(tree.child(tree.root, fromText('socket')), undefined);
});

test('of xattrs only capabilities come along', (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root');
  const directory = makeContext(t, ['ping']);
  const capability = '\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0' as ByteString;
  try {
    setXattr(join(directory, 'ping'), fromText('security.capability'), capability);
    setXattr(join(directory, 'ping'), fromText('user.note'), fromText('x'));
  } catch (error) {
    return t.skip(`no xattrs here: ${String(error)}`);
  }
  const tree = openContextTree(directory);
  assert.deepEqual([...tree.entry(find(tree, 'ping')).xattrs], [['security.capability', capability]]);
});

const IGNORED: readonly [patterns: string[], visible: string[]][] = [
  [['lib'], ['README.md', 'src', 'src/a.ts', 'src/deep', 'src/deep/b.md']],
  [
    ['*', '!src/deep/b.md'],
    ['src', 'src/deep', 'src/deep/b.md'],
  ],
  [
    ['*', '!**/*.md'],
    ['README.md', 'lib', 'lib/c.md', 'src', 'src/deep', 'src/deep/b.md'],
  ],
  [['**/*.md'], ['lib', 'src', 'src/a.ts', 'src/deep']],
  [['*', '!lib', 'lib/c.md'], ['lib']],
  [['*', '!missing/x'], []],
];

for (const [patterns, visible] of IGNORED) {
  test(`an ignore file of ${patterns.join(' ')} leaves ${visible.length} entries, walked or looked up`, (t) => {
    const directory = makeContext(t, ['README.md', 'lib/c.md', 'src/a.ts', 'src/deep/b.md']);
    const ignore = compilePatterns(patterns);
    assert.deepEqual(list(openContextTree(directory, ignore)), visible);
    const all = list(openContextTree(directory));
    const lookedUp = all.filter(
      (path) => resolvePath(openContextTree(directory, ignore), fromText(path)).node !== undefined,
    );
    assert.deepEqual(lookedUp, visible);
  });
}

test('a file that goes away while the tree is read was never there', (t) => {
  const directory = makeContext(t, ['a', 'dir/b']);
  const tree = openContextTree(directory);
  const dir = find(tree, 'dir');
  rmSync(join(directory, 'dir'), { recursive: true });
  assert.deepEqual(tree.names(dir), []);
  assert.equal(tree.child(tree.root, fromText('gone')), undefined);
});

test('looking one file up lists no directory', (t) => {
  const directory = makeContext(t, ['dir/a', 'dir/b']);
  const tree = openContextTree(directory);
  find(tree, 'dir/a');
  writeFileSync(join(directory, 'dir/later'), '');
  assert.deepEqual(tree.names(find(tree, 'dir')), ['a', 'b', 'later']);
});

test('a link farm of a Kubernetes configMap resolves inside the context', (t) => {
  const directory = makeContext(t, ['..2026_01/app.sh']);
  symlinkSync('..2026_01', join(directory, '..data'));
  symlinkSync('..data/app.sh', join(directory, 'app.sh'));
  const tree = openContextTree(directory);
  const { node, path } = resolvePath(tree, fromText('app.sh'));
  assert.equal(path, '..2026_01/app.sh');
  assert.ok(node !== undefined);
  assert.equal(tree.entry(node).size, '..2026_01/app.sh'.length);
});

test('a missing context is an error that names it', () => {
  assert.throws(() => openContextTree('/nonexistent/context'), { code: 'CONTEXT_NOT_FOUND' });
});
