import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatReference, parseReference } from './reference.ts';

const HEX = 'a'.repeat(64);

test('names mean what they mean to docker', () => {
  const cases: [text: string, expected: string][] = [
    ['alpine', 'index.docker.io/library/alpine:latest'],
    ['alpine:3.20', 'index.docker.io/library/alpine:3.20'],
    ['me/app', 'index.docker.io/me/app:latest'],
    ['docker.io/alpine', 'index.docker.io/library/alpine:latest'],
    ['docker.io/library/alpine', 'index.docker.io/library/alpine:latest'],
    ['index.docker.io/me/app:1', 'index.docker.io/me/app:1'],
    ['registry-1.docker.io/me/app', 'index.docker.io/me/app:latest'],
    ['ghcr.io/me/app', 'ghcr.io/me/app:latest'],
    ['GHCR.io/me/app', 'ghcr.io/me/app:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['localhost:5000', 'index.docker.io/library/localhost:5000'],
    ['registry:5000/a/b/c:x', 'registry:5000/a/b/c:x'],
    ['127.0.0.1:5000/app', '127.0.0.1:5000/app:latest'],
    ['[::1]:5000/app:1', '[::1]:5000/app:1'],
    [`alpine@sha256:${HEX}`, `index.docker.io/library/alpine@sha256:${HEX}`],
    [`ghcr.io/me/app:1@sha256:${HEX}`, `ghcr.io/me/app:1@sha256:${HEX}`],
    ['a__b/c--d/e.f_g', 'index.docker.io/a__b/c--d/e.f_g:latest'],
  ];
  for (const [text, expected] of cases) {
    const reference = parseReference(text);
    assert.equal(formatReference(reference), expected, text);
    assert.deepEqual(parseReference(formatReference(reference)), reference, text);
  }
});

test('a name that is none says why', () => {
  const cases: [text: string, message: RegExp][] = [
    ['', /empty/],
    [' alpine', /white space/],
    ['https://ghcr.io/me/app', /scheme/],
    ['ghcr.io/Me/App', /lower case/],
    ['ghcr.io/me//app', /empty part/],
    ['ghcr.io/', /empty part/],
    ['alpine:', /tag/],
    ['alpine:-x', /tag/],
    [`alpine:${'x'.repeat(129)}`, /tag/],
    ['alpine@sha256:abc', /digest/],
    [`alpine@sha256:${HEX.toUpperCase()}`, /digest/],
    ['ghcr.io/../x', /not valid in a repository/],
    ['ghcr.io/a___b', /not valid in a repository/],
    ['-bad.io/x', /registry/],
    ['host:port/x', /registry/],
    [`ghcr.io/${'a'.repeat(256)}`, /longer/],
  ];
  for (const [text, message] of cases)
    assert.throws(() => parseReference(text), { code: 'REFERENCE_INVALID', message }, text);
});
