import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatGoDuration, parseGoDuration } from './goDuration.ts';

const rows: readonly (readonly [text: string, nanoseconds: number, printed: string])[] = [
  ['0', 0, '0s'],
  ['0s', 0, '0s'],
  ['5ns', 5, '5ns'],
  ['1.5us', 1500, '1.5µs'],
  ['100ms', 1e8, '100ms'],
  ['1s', 1e9, '1s'],
  ['1.25s', 1.25e9, '1.25s'],
  ['90s', 9e10, '1m30s'],
  ['1m30s', 9e10, '1m30s'],
  ['1h', 3.6e12, '1h0m0s'],
  ['1h15m30.918s', 4_530_918_000_000, '1h15m30.918s'],
  ['.5s', 5e8, '500ms'],
  ['+2m', 1.2e11, '2m0s'],
];

for (const [text, nanoseconds, printed] of rows) {
  test(`${text} is read and printed as Go does`, () => {
    assert.equal(parseGoDuration(text), nanoseconds);
    assert.equal(formatGoDuration(nanoseconds), printed);
  });
}

for (const text of ['', '-', '.', 's', '5', '5y', '1h5', '1 s', '99999999h']) {
  test(`${JSON.stringify(text)} is no duration`, () => {
    assert.throws(() => parseGoDuration(text), { code: 'DOCKERFILE_SYNTAX' });
  });
}
