import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fromText } from '../byteString.ts';
import { whiteoutOf, whiteoutPath, type Whiteout } from './whiteout.ts';

const NAMES: readonly (readonly [name: string, meaning: Whiteout | undefined])[] = [
  ['a', undefined],
  ['a.wh.b', undefined],
  ['.wh', undefined],
  ['.wh.a', { kind: 'remove', path: fromText('a') }],
  ['./x/../d/.wh.a', { kind: 'remove', path: fromText('d/a') }],
  ['.wh..hidden', { kind: 'remove', path: fromText('.hidden') }],
  ['.wh...a', { kind: 'remove', path: fromText('..a') }],
  ['.wh..wh..opq', { kind: 'opaque', path: fromText('') }],
  ['/d/.wh..wh..opq', { kind: 'opaque', path: fromText('d') }],
  ['.wh.', { kind: 'nothing' }],
  ['.wh..', { kind: 'nothing' }],
  ['d/.wh...', { kind: 'nothing' }],
  ['.wh..wh.aufs', { kind: 'nothing' }],
  ['.wh..wh.plnk/12.34', { kind: 'nothing' }],
  ['.wh.a/b', { kind: 'nothing' }],
  ['.wh.a/../b', undefined],
];

suite('what a name in a layer says of the layers below', () => {
  for (const [name, meaning] of NAMES) test(name, () => assert.deepEqual(whiteoutOf(fromText(name)), meaning));
});

test('a whiteout that is written is read back', () => {
  for (const kind of ['remove', 'opaque'] as const) {
    for (const path of ['a', 'a/b', '.wh']) {
      assert.deepEqual(whiteoutOf(whiteoutPath({ kind, path: fromText(path) })), { kind, path });
    }
  }
});
