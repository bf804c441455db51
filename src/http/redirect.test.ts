import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followRedirect } from './redirect.ts';

const HEADERS = {
  authorization: 'Basic x',
  cookie: 'c',
  range: 'bytes=1-',
  'content-type': 't',
  'content-length': '3',
};

function follow(method: string, from: string, status: number, location: string | undefined, insecure = false) {
  return followRedirect({ method, url: new URL(from), headers: HEADERS }, status, location, insecure);
}

test('credentials never reach another origin', () => {
  const cases: [to: string, kept: boolean][] = [
    ['/other', true],
    ['https://a.test/x', true],
    ['https://a.test:443/x', true],
    ['https://b.test/x', false],
    ['https://a.test:8443/x', false],
    ['https://a.test.evil.test/x', false],
    ['https://sub.a.test/x', false],
    ['//b.test/x', false],
  ];
  for (const [to, kept] of cases) {
    const next = follow('GET', 'https://a.test/v2/', 307, to);
    assert.equal('authorization' in (next?.headers ?? {}), kept, to);
    assert.equal('cookie' in (next?.headers ?? {}), kept, to);
    assert.equal(next?.headers['range'], 'bytes=1-', to);
  }
});

test('credentials in an address are not taken up', () => {
  assert.equal(follow('GET', 'https://a.test/', 302, 'https://user:secret@b.test/x')?.url.href, 'https://b.test/x');
});

test('methods and bodies change as browsers change them', () => {
  const cases: [method: string, status: number, method2: string, body: boolean][] = [
    ['POST', 301, 'GET', false],
    ['POST', 302, 'GET', false],
    ['PUT', 303, 'GET', false],
    ['HEAD', 303, 'HEAD', true],
    ['PATCH', 307, 'PATCH', true],
    ['PUT', 308, 'PUT', true],
    ['PUT', 302, 'PUT', true],
  ];
  for (const [method, status, expected, body] of cases) {
    const next = follow(method, 'https://a.test/', status, '/x');
    assert.equal(next?.method, expected, `${method} ${status}`);
    assert.equal(next?.keepsBody, body, `${method} ${status}`);
    assert.equal('content-length' in (next?.headers ?? {}), body);
  }
});

test('a step down to plain HTTP is refused unless it is allowed', () => {
  assert.throws(() => follow('GET', 'https://a.test/', 307, 'http://a.test/'), { code: 'REDIRECT_INSECURE' });
  assert.equal(follow('GET', 'https://a.test/', 307, 'http://a.test/', true)?.url.protocol, 'http:');
});

test('what is no redirect is none, and an address that is no address is an error', () => {
  assert.equal(follow('GET', 'https://a.test/', 200, '/x'), undefined);
  assert.equal(follow('GET', 'https://a.test/', 304, '/x'), undefined);
  assert.equal(follow('GET', 'https://a.test/', 307, undefined), undefined);
  for (const location of ['file:///etc/passwd', 'http://', 'javascript:x']) {
    assert.throws(() => follow('GET', 'https://a.test/', 307, location), { code: 'REDIRECT_INVALID' }, location);
  }
});
