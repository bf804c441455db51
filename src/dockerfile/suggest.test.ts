import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suggest, withSuggestion } from './suggest.ts';

const rows: readonly (readonly [value: string, options: readonly string[], match: string | undefined])[] = [
  ['bulid', ['base', 'build', 'test'], 'build'],
  ['rnu', ['env', 'run'], 'run'],
  ['tgt', ['dst', 'target'], 'target'],
  ['bnd', ['bind', 'ssh'], 'bind'],
  ['typ', ['type', 'tmpfs'], 'type'],
  ['from', ['from', 'form'], undefined],
  ['frobnicate', ['from'], undefined],
  ['x', [], undefined],
];

for (const [value, options, match] of rows) {
  test(`${value} among ${options.join()} suggests ${match ?? 'nothing'}`, () => {
    assert.equal(suggest(value, options), match);
  });
}

test('a message is left alone where there is nothing to suggest', () => {
  assert.equal(withSuggestion('unknown x', 'x', ['longer']), 'unknown x');
  assert.equal(withSuggestion('unknown typ', 'typ', ['type']), 'unknown typ (did you mean type?)');
});
