import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mirrorMap, mirroredReferences } from './mirrors.ts';
import { formatReference, parseReference } from './reference.ts';

const rows: readonly [string, Record<string, string[]>, string[], boolean, string[]][] = [
  ['debian:12', {}, [], true, ['index.docker.io/library/debian:12']],
  ['debian:12', {}, ['m.test'], true, ['m.test/library/debian:12', 'index.docker.io/library/debian:12']],
  ['debian:12', {}, ['m.test', 'n.test/hub/'], false, ['m.test/library/debian:12', 'n.test/hub/library/debian:12']],
  ['docker.io/a/b', { 'docker.io': ['x.test/p'] }, ['m.test'], false, ['x.test/p/a/b:latest', 'm.test/a/b:latest']],
  ['gcr.io/a/b:1', { 'gcr.io': ['x.test'] }, ['m.test'], true, ['x.test/a/b:1', 'gcr.io/a/b:1']],
  ['quay.io/a:1', { 'gcr.io': ['x.test'] }, [], false, ['quay.io/a:1']],
];

test('mirrors are asked in order and the original last, unless it must not be asked', () => {
  for (const [image, map, hub, fallBack, expected] of rows) {
    const mirrors = { map: mirrorMap(new Map(Object.entries(map)), hub), fallBack };
    assert.deepEqual(mirroredReferences(parseReference(image), mirrors).map(formatReference), expected, image);
  }
});
