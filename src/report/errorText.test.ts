import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BuildError } from '../errors.ts';
import { errorFields, errorText } from './errorText.ts';

const excerpt = '--------------------\n   2 | >>> RUN flase\n--------------------\n';
const error = new BuildError('RUN_FAILED', 'RUN flase ended with 127', {
  hint: 'Is flase installed?',
  exitCode: 127,
  facts: { exitCode: 127 },
  cause: new Error('spawn failed', { cause: new Error('ENOENT') }),
  location: { file: 'Dockerfile', startLine: 2, endLine: 2, excerpt },
});

test('an error shows its sentence, its place and its hint, and no stack', () => {
  assert.equal(
    errorText(error, { debug: false }),
    `Error: RUN flase ended with 127
Dockerfile:2
--------------------
   2 | >>> RUN flase
--------------------
Hint: Is flase installed?
`,
  );
  assert.match(errorText(error, { debug: true }), /\nCaused by: spawn failed\nCaused by: ENOENT\n$/);
});

test('programs get code and place as fields', () => {
  assert.deepEqual(errorFields(error), {
    exitCode: 127,
    code: 'RUN_FAILED',
    hint: 'Is flase installed?',
    file: 'Dockerfile',
    line: 2,
  });
  assert.deepEqual(errorFields(new TypeError('x')), { code: 'BUG' });
});

test('a mistake of our own says so, with the stack only for those who ask', () => {
  const bug = new TypeError('x is undefined');
  assert.equal(
    errorText(bug, { debug: false }),
    'Error: this is a bug in kasane: x is undefined\nRun it again with --verbosity=debug to see where it happened.\n',
  );
  assert.match(errorText(bug, { debug: true }), /\n {4}at .*errorText\.test\.ts/);
});
