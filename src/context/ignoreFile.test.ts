import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIgnoreFile } from './ignoreFile.ts';

const CASES: readonly [what: string, text: string, patterns: string[]][] = [
  ['comments in the first column only', '# no\n #yes\n', ['#yes']],
  ['a byte order mark', '\uFEFFa\n', ['a']],
  ['Windows line ends and spaces', 'a\r\n  b \t\r\n\r\n', ['a', 'b']],
  ['cleaned paths', './a//b/../c/\n/x\n/\n.\n', ['a/c', 'x', '/', '.']],
  ['exceptions, trimmed behind their mark', '! a/ \n!/b\n!\n', ['!a', '!b', '!']],
];

for (const [what, text, patterns] of CASES) {
  test(`an ignore file with ${what}`, () => {
    assert.deepEqual(
      parseIgnoreFile(text).map(({ pattern }) => pattern),
      patterns,
    );
  });
}
