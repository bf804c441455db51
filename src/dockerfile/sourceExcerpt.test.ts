import assert from 'node:assert/strict';
import { test } from 'node:test';
import { locate, sourceExcerpt, sourceText } from './sourceExcerpt.ts';

const text = Array.from({ length: 12 }, (_, index) => `line ${index + 1}`).join('\n');
const marked = (excerpt: string): string[] =>
  excerpt
    .split('\n')
    .slice(1, -1)
    .map((line) => line.replace(/^ +(\d+) \| (>>>|   ) .*$/, '$1$2').trim());

const rows: readonly (readonly [start: number, end: number, lines: readonly string[]])[] = [
  [1, 1, ['1>>>', '2', '3']],
  [6, 6, ['4', '5', '6>>>', '7', '8']],
  [6, 8, ['5', '6>>>', '7>>>', '8>>>', '9']],
  [12, 12, ['10', '11', '12>>>']],
  [12, 40, ['10', '11', '12>>>']],
];

for (const [start, end, lines] of rows) {
  test(`the lines around ${start} to ${end} are shown`, () => {
    assert.deepEqual(marked(sourceExcerpt(text, start, end)), lines);
  });
}

test('an excerpt looks as BuildKit prints it', () => {
  assert.equal(
    sourceExcerpt('FROM x\n\nRUN false', 3, 3),
    ['-'.repeat(20), '   1 |     FROM x', '   2 |     ', '   3 | >>> RUN false', '-'.repeat(20)].join('\n'),
  );
});

test('a place has its excerpt without carriage returns or byte order mark', () => {
  const { excerpt } = locate(sourceText('\uFEFFFROM x\r\nRUN a\r\n', 'D'), 1, 1);
  assert.match(excerpt ?? '', /^-+\n {3}1 \| >>> FROM x\n {3}2 \| {5}RUN a\n/);
});
