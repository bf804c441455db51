import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goMatch, PatternSyntaxError } from './goMatch.ts';

// Answers of Go's filepath.Match; null is its syntax error.
const CASES: readonly [pattern: string, name: string, answer: boolean | null][] = [
  ['abc', 'abc', true],
  ['*', 'abc', true],
  ['*', 'a/b', false],
  ['a*/b', 'abc/b', true],
  ['a*/b', 'a/c/b', false],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzy', false],
  ['ab[b-d]', 'abc', true],
  ['ab[^b-d]', 'abc', false],
  ['a?b', 'a😀b', true],
  ['a?b', 'a/b', false],
  ['[^a]', '/', true],
  ['a\\*b', 'a*b', true],
  ['[\\]a]', ']', true],
  ['[x\\-]', '-', true],
  ['', '', true],
  ['[]a]', ']', null],
  ['[x-]', 'x', null],
  ['\\', 'a', null],
  ['a[', 'a', null],
  ['a*[', '.', false],
  ['*x', 'xxx', true],
];

for (const [pattern, name, answer] of CASES) {
  test(`${JSON.stringify(pattern)} and ${JSON.stringify(name)}: ${String(answer ?? 'a mistake')}`, () => {
    if (answer === null) assert.throws(() => goMatch(pattern, name), PatternSyntaxError);
    else assert.equal(goMatch(pattern, name), answer);
  });
}
