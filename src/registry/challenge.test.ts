import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseChallenges } from './challenge.ts';

test('challenges of real registries are understood', () => {
  const cases: [header: string, expected: unknown][] = [
    ['', []],
    ['Basic realm="Registry Realm"', [['basic', { realm: 'Registry Realm' }]]],
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull,push"',
      [
        [
          'bearer',
          {
            realm: 'https://auth.docker.io/token',
            service: 'registry.docker.io',
            scope: 'repository:library/alpine:pull,push',
          },
        ],
      ],
    ],
    ['bearer REALM = "x" , error=insufficient_scope', [['bearer', { realm: 'x', error: 'insufficient_scope' }]]],
    [
      'Negotiate, Basic realm="a", Bearer realm="b\\"c"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'a' }],
        ['bearer', { realm: 'b"c' }],
      ],
    ],
    [
      'NTLM TlRMTVNTUAAB==, Basic realm="a"',
      [
        ['ntlm', {}],
        ['basic', { realm: 'a' }],
      ],
    ],
    ['Basic', [['basic', {}]]],
    ['Bearer realm="unterminated', [['bearer', {}]]],
    ['Bearer realm="first",realm="second"', [['bearer', { realm: 'first' }]]],
  ];
  for (const [header, expected] of cases) {
    const parsed = parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
    assert.deepEqual(parsed, expected, header);
  }
});

test('no header makes it fail or hang', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^(Basic|Bearer|[a-z]+="[^"]*"|[ ,="\\])*$/)), (header) => {
      parseChallenges(header);
    }),
  );
});
