import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointOf } from './endpoint.ts';
import type { RegistryOptions } from './options.ts';

const STRICT: RegistryOptions = {
  insecurePush: false,
  insecurePull: false,
  insecureRegistries: [],
  skipTlsVerify: false,
  skipTlsVerifyPull: false,
  skipTlsVerifyRegistries: [],
  certificates: new Map(),
};

test('plain HTTP is spoken only where it was allowed, or to this machine and private addresses as kaniko does', () => {
  const cases: [registry: string, options: Partial<RegistryOptions>, pull: boolean, push: boolean][] = [
    ['ghcr.io', {}, false, false],
    ['ghcr.io', { insecurePull: true }, true, false],
    ['ghcr.io', { insecurePush: true }, false, true],
    ['r.test:5000', { insecureRegistries: ['r.test:5000'] }, true, true],
    ['r.test:5001', { insecureRegistries: ['r.test:5000'] }, false, false],
    ['localhost', {}, true, true],
    ['localhost:5000', {}, true, true],
    ['127.0.0.1:5000', {}, true, true],
    ['[::1]:5000', {}, true, true],
    ['registry.local', {}, true, true],
    ['x.localhost:80', {}, true, true],
    ['localhost.evil.test', {}, false, false],
    ['127.0.0.1.evil.test', {}, false, false],
    ['10.0.0.1:5000', {}, true, true],
    ['172.20.0.1', {}, true, true],
    ['172.32.0.1', {}, false, false],
    ['11.0.0.1', {}, false, false],
  ];
  for (const [registry, options, pull, push] of cases) {
    const actual = (['pull', 'push'] as const).map(
      (way) => endpointOf(registry, way, { ...STRICT, ...options }).insecure,
    );
    assert.deepEqual(actual, [pull, push], `${registry} ${JSON.stringify(options)}`);
  }
});

test('TLS is verified unless it was switched off for this registry or direction', () => {
  assert.ok(verify('r.test', 'pull', {}));
  assert.ok(!verify('r.test', 'push', { skipTlsVerify: true }));
  assert.ok(!verify('r.test', 'pull', { skipTlsVerifyPull: true }));
  assert.ok(verify('r.test', 'push', { skipTlsVerifyPull: true }));
  assert.ok(!verify('r.test', 'push', { skipTlsVerifyRegistries: ['r.test'] }));
  assert.ok(verify('other.test', 'push', { skipTlsVerifyRegistries: ['r.test'] }));
});

test('Docker Hub is one registry whatever it is called, and its API is elsewhere', () => {
  const endpoint = endpointOf('index.docker.io', 'pull', {
    ...STRICT,
    certificates: new Map([['docker.io', '/ca.pem']]),
  });
  assert.equal(endpoint.host, 'registry-1.docker.io');
  assert.equal(endpoint.tls.certificate, '/ca.pem');
});

function verify(registry: string, way: 'pull' | 'push', options: Partial<RegistryOptions>): boolean {
  return endpointOf(registry, way, { ...STRICT, ...options }).tls.verify !== false;
}
