import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BuildError } from '../errors.ts';
import { DEFAULT_RETRY, isTemporaryError, isTemporaryStatus, retryDelay } from './retry.ts';

const POLICY = { ...DEFAULT_RETRY, now: () => Date.UTC(2026, 0, 1) };

test('waits as long as the back-off or the server says, and no longer than is bearable', () => {
  const cases: [attempt: number, retryAfter: string | undefined, expected: number | undefined][] = [
    [1, undefined, 500],
    [2, undefined, 1000],
    [4, undefined, 4000],
    [5, undefined, undefined],
    [1, '3', 3000],
    [4, '0', 4000],
    [1, '3600', undefined],
    [1, 'Thu, 01 Jan 2026 00:00:10 GMT', 10_000],
    [1, 'Wed, 31 Dec 2025 00:00:00 GMT', 500],
    [1, 'soon', 500],
  ];
  for (const [attempt, retryAfter, expected] of cases) {
    assert.equal(retryDelay(POLICY, attempt, retryAfter), expected, `${attempt} ${retryAfter}`);
  }
});

test('what may pass is tried again, what can only fail again is not', () => {
  for (const status of [408, 429, 499, 500, 502, 503, 504, 522]) assert.ok(isTemporaryStatus(status), String(status));
  for (const status of [200, 400, 401, 403, 404, 501]) assert.ok(!isTemporaryStatus(status), String(status));
  for (const code of ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'EAI_AGAIN', 'HTTP_TIMEOUT']) {
    assert.ok(isTemporaryError(withCode(code)), code);
  }
  for (const code of ['ENOTFOUND', 'EPROTO', 'SELF_SIGNED_CERT_IN_CHAIN', 'ERR_TLS_CERT_ALTNAME_INVALID', 'ENOENT']) {
    assert.ok(!isTemporaryError(withCode(code)), code);
  }
  assert.ok(isTemporaryError(new AggregateError([withCode('ENOTFOUND'), withCode('ECONNREFUSED')])));
  assert.ok(!isTemporaryError(new BuildError('X', 'x')));
  assert.ok(isTemporaryError(new BuildError('X', 'x', { facts: { temporary: true } })));
});

function withCode(code: string): Error {
  return Object.assign(new Error(code), { code });
}
