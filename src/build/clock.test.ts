import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClock } from './clock.ts';

test('SOURCE_DATE_EPOCH is the time of everything, and none is later', () => {
  const clock = createClock('1700000000', false);
  assert.deepEqual(
    [clock.created(), clock.now(), clock.latestTime],
    ['2023-11-14T22:13:20.000Z', { seconds: 1_700_000_000, nanoseconds: 0 }, 1_700_000_000],
  );
});

test('--reproducible is 1970 unless SOURCE_DATE_EPOCH says otherwise', () => {
  assert.deepEqual(
    [createClock(undefined, true).created(), createClock('', true).latestTime],
    ['1970-01-01T00:00:00.000Z', 0],
  );
  assert.equal(createClock('5', true).latestTime, 5);
});

test('else it is now, and times stay as they are', () => {
  const clock = createClock(undefined, false);
  assert.ok(clock.now().seconds > 1_600_000_000);
  assert.ok(Math.abs(Date.parse(clock.created()) / 1000 - clock.now().seconds) < 60);
  assert.equal(clock.latestTime, undefined);
});

test('a SOURCE_DATE_EPOCH that is no number of seconds is an error', () => {
  for (const text of ['yesterday', '-1', '1.5', '0x10', '1e3', '999999999999', ' 1']) {
    assert.throws(() => createClock(text, false), { code: 'SOURCE_DATE_EPOCH_INVALID' }, text);
  }
});
