import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyFor } from './proxy.ts';

test('the proxy is the one that Go would take', () => {
  const both = { HTTP_PROXY: 'http://plain:1', HTTPS_PROXY: 'http://secure:2' };
  const cases: [url: string, environment: Record<string, string>, expected: string | undefined][] = [
    ['https://r.test/', {}, undefined],
    ['https://r.test/', both, 'http://secure:2'],
    ['http://r.test/', both, 'http://plain:1'],
    ['https://r.test/', { https_proxy: 'proxy:3128' }, 'http://proxy:3128'],
    ['https://r.test/', { HTTPS_PROXY: '' }, undefined],
    ['https://localhost:5000/', both, undefined],
    ['http://127.1.2.3/', both, undefined],
    ['http://[::1]:80/', both, undefined],
    ['http://r.test/', { HTTP_PROXY: 'http://evil', REQUEST_METHOD: 'GET' }, undefined],
    ['https://r.test/', { ...both, NO_PROXY: '*' }, undefined],
    ['https://r.test/', { ...both, NO_PROXY: 'other, r.test' }, undefined],
    ['https://sub.r.test/', { ...both, no_proxy: 'r.test' }, undefined],
    ['https://r.test/', { ...both, NO_PROXY: '.r.test' }, 'http://secure:2'],
    ['https://sub.r.test/', { ...both, NO_PROXY: '.r.test' }, undefined],
    ['https://sub.r.test/', { ...both, NO_PROXY: '*.r.test' }, undefined],
    ['https://xr.test/', { ...both, NO_PROXY: 'r.test' }, 'http://secure:2'],
    ['https://r.test:5000/', { ...both, NO_PROXY: 'r.test:5000' }, undefined],
    ['https://r.test/', { ...both, NO_PROXY: 'r.test:5000' }, 'http://secure:2'],
    ['https://10.2.3.4/', { ...both, NO_PROXY: '10.0.0.0/8' }, undefined],
    ['https://11.2.3.4/', { ...both, NO_PROXY: '10.0.0.0/8' }, 'http://secure:2'],
    ['https://[fd00::1]/', { ...both, NO_PROXY: 'fd00::/8' }, undefined],
    ['https://10.2.3.4:5000/', { ...both, NO_PROXY: '10.2.3.4' }, undefined],
    ['https://r.test/', { ...both, NO_PROXY: '10.0.0.0/99' }, 'http://secure:2'],
  ];
  for (const [url, environment, expected] of cases) {
    assert.equal(proxyFor(new URL(url), environment), expected, `${url} ${JSON.stringify(environment)}`);
  }
});
