import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeRecord, type InputRecord } from '../cache/inputRecord.ts';
import { explainCommand } from './explainCommand.ts';

const RECORD: InputRecord = {
  built: '2026-01-02T03:04:05Z',
  stages: [
    {
      name: 'made',
      base: 'node:24',
      baseDigest: 'sha256:1',
      baseKey: 'k',
      steps: [
        { text: 'RUN npm ci', instruction: 'r', variables: {}, outcome: 'hit' },
        { text: 'COPY . .', instruction: 'c', files: { a: '1' }, outcome: 'miss', reason: '1 of 1 file changed: a' },
        { text: 'RUN make', instruction: 'r', variables: {}, outcome: 'below-miss' },
      ],
    },
  ],
};

test('kasane explain shows the last build as text and as JSON', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-explain-'));
  t.after(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'inputs'));
  writeFileSync(join(directory, 'inputs/last'), encodeRecord(RECORD));
  assert.deepEqual(run(`--kaniko-dir=${directory}`), {
    code: 0,
    stderr: '',
    stdout: [
      'Build of 2026-01-02T03:04:05Z\n',
      '\nStage made from node:24 (sha256:1)\n',
      '  hit           RUN npm ci\n',
      '  miss          COPY . .\n                1 of 1 file changed: a\n',
      '  below a miss  RUN make\n',
    ].join(''),
  });
  assert.deepEqual(JSON.parse(run('--json', `--kaniko-dir=${directory}`).stdout), RECORD);
});

test('without a record it says what to do', () => {
  const { code, stderr } = run('--kaniko-dir=/nonexistent');
  assert.equal(code, 1);
  assert.match(stderr, /no build with a cache has left a record in \/nonexistent\nHint: Build with --cache first/);
});

function run(...args: string[]): { code: number; stdout: string; stderr: string } {
  const written = { stdout: '', stderr: '' };
  const code = explainCommand(
    args,
    {
      workingDirectory: '/work',
      environment: {},
      cpus: 1,
      uid: 0,
      isWritableDirectory: () => true,
      canHaveDirectory: () => true,
    },
    {
      stdout: { write: (text) => (written.stdout += text) },
      stderr: { write: (text) => (written.stderr += text) },
    },
  );
  return { code, ...written };
}
