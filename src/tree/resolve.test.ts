import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { BuildError } from '../errors.ts';
import { resolvePath } from './resolve.ts';
import { directory, file, symlink, treeOf } from './sampleTrees.ts';

const tree = treeOf([
  directory('usr/lib'),
  file('usr/lib/x', { size: 1 }),
  symlink('lib', 'usr/lib'),
  symlink('abs', '/usr'),
  symlink('up', '../../../usr/lib'),
  symlink('usr/back', '..'),
  symlink('chain', 'abs/lib'),
  symlink('dangling', 'var/none'),
  symlink('to-file', 'usr/lib/x'),
  symlink('self', 'self'),
  symlink('ping', 'pong'),
  symlink('pong', 'ping'),
  symlink('dot', '.'),
]);

const PATHS: readonly (readonly [path: string, real: string, there: boolean])[] = [
  ['', '', true],
  ['/', '', true],
  ['..', '', true],
  ['../../..', '', true],
  ['lib/x', 'usr/lib/x', true],
  ['/lib//./x', 'usr/lib/x', true],
  ['abs/lib/x', 'usr/lib/x', true],
  ['up/x', 'usr/lib/x', true],
  ['chain/x', 'usr/lib/x', true],
  ['chain/..', 'usr', true],
  ['usr/back/usr/back/lib', 'usr/lib', true],
  ['dot/dot/dot/usr', 'usr', true],
  ['to-file', 'usr/lib/x', true],
  ['dangling', 'var/none', false],
  ['dangling/more', 'var/none/more', false],
  ['none/at/all', 'none/at/all', false],
  ['none/../usr', 'usr', true],
  ['lib/x/below-a-file', 'usr/lib/x/below-a-file', false],
  ['lib/../../../..', '', true],
];

suite('links are followed as if the tree were the whole machine', () => {
  for (const [path, real, there] of PATHS) {
    test(JSON.stringify(path), () => {
      const resolved = resolvePath(tree, path);
      assert.deepEqual([resolved.path, resolved.node !== undefined], [real, there]);
      assert.equal(resolved.components.join('/'), real);
    });
  }
});

test('a link in the last place stays a link if that is asked for', () => {
  const { path, node } = resolvePath(tree, 'abs/back', { followLast: false });
  assert.deepEqual([path, node === undefined ? '' : tree.entry(node).type], ['usr/back', 'symlink']);
});

test('a circle of links is an error that names the path', () => {
  for (const path of ['self', 'ping', 'pong/x']) {
    assert.throws(
      () => resolvePath(tree, path),
      (error) => error instanceof BuildError && error.code === 'TOO_MANY_LINKS' && error.message.includes(`/${path}`),
    );
  }
});
