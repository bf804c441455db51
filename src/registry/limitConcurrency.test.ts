import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitConcurrency } from './limitConcurrency.ts';

test('never more tasks than allowed run at once, in order, and a failure does not block the rest', async () => {
  const limit = limitConcurrency(3);
  const started: number[] = [];
  let running = 0;
  let most = 0;
  const task = (index: number): Promise<number> =>
    limit(async () => {
      started.push(index);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      if (index % 4 === 0) throw new Error(String(index));
      return index;
    });
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => task(index)));
  assert.equal(most, 3);
  assert.deepEqual(
    started,
    Array.from({ length: 20 }, (_, index) => index),
  );
  assert.equal(results.filter(({ status }) => status === 'rejected').length, 5);
});
