import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { mayRun } from './mayRun.ts';

function place(t: TestContext, name: string, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-may-run-'));
  t.after(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'context/sub'), { recursive: true });
  writeFileSync(join(directory, name), text);
  return directory;
}

const TEXTS: readonly (readonly [text: string, expected: boolean])[] = [
  ['FROM a\nCOPY x /\n', false],
  ['FROM a\n# RUN x\nLABEL a=RUN\nENV RUN=1\nRUNNER x\n', false],
  ['FROM a\nRUN x\n', true],
  ['FROM a\n  run ["x"]\n', true],
  ['FROM a\nONBUILD RUN x\n', true],
  ['FROM a\r\nRUN\t<<E\r\nE\r\n', true],
];
for (const [text, expected] of TEXTS) {
  test(`${JSON.stringify(text)} ${expected ? 'may need a machine' : 'asks for no machine'}`, (t) => {
    const directory = place(t, 'context/Dockerfile', text);
    assert.equal(mayRun({ dockerfile: 'Dockerfile', context: 'context' }, directory), expected);
    assert.equal(mayRun({ dockerfile: 'context/Dockerfile', context: 'dir://context' }, directory), expected);
  });
}

test('the Dockerfile is looked for as the build does', (t) => {
  assert.equal(
    mayRun(
      { dockerfile: 'Dockerfile', context: 'context', contextSubPath: 'sub' },
      place(t, 'context/sub/dockerfile', 'FROM a'),
    ),
    false,
  );
  assert.equal(mayRun({ dockerfile: 'D', context: 'tar://x' }, place(t, 'D', 'FROM a')), false);
});

test('a Dockerfile that is not here may hold anything', (t) => {
  const directory = place(t, 'other', '');
  assert.equal(mayRun({ dockerfile: 'Dockerfile', context: 'context' }, directory), true);
  assert.equal(mayRun({ dockerfile: 'Dockerfile', context: 'git://host/x' }, directory), true);
});
