import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InputRecord, StageInputs, StepInputs } from './inputRecord.ts';
import { decodeRecord, encodeRecord, shortDigest } from './inputRecord.ts';
import { missReason } from './missReason.ts';

const COPY: StepInputs = {
  text: 'COPY . .',
  instruction: 'c',
  files: Object.fromEntries(Array.from({ length: 1204 }, (_, index) => [`f${index}`, '1'])),
  outcome: 'miss',
};
const RUN: StepInputs = {
  text: 'RUN npm ci',
  instruction: 'r',
  variables: { 'ENV PATH': '1', 'ARG NODE_ENV': '1' },
  files: {},
  outcome: 'miss',
};

function stage(...steps: readonly StepInputs[]): StageInputs {
  return { name: '0', base: 'node:24', baseDigest: 'sha256:1', baseKey: 'k', steps: [...steps] };
}

function record(...steps: readonly StepInputs[]): InputRecord {
  return { built: '2026-01-01T00:00:00Z', stages: [stage(...steps)] };
}

test('a miss is explained by the first input that changed', () => {
  const cases: readonly (readonly [before: InputRecord | undefined, now: StageInputs, reason: RegExp])[] = [
    [undefined, stage(RUN), /^no earlier build/],
    [record(RUN), { ...stage(RUN), name: 'new' }, /^the stage is new$/],
    [record(), stage(RUN), /^the instruction is new$/],
    [
      record(COPY),
      stage({ ...COPY, files: { ...COPY.files, f3: '2', f7: '2' } }),
      /^2 of 1,204 files changed: f3, f7$/,
    ],
    [
      record({ ...COPY, files: { a: '1', b: '1' } }),
      stage({ ...COPY, files: { b: '1', c: '1' } }),
      /^2 of 2 files changed: c \(new\), a \(gone\)$/,
    ],
    [record({ ...COPY, files: {} }), stage(COPY), /^1,204 of 1,204 files changed: f0 \(new\), .* and 1,201 more$/],
    [record(COPY), stage({ ...COPY, text: 'COPY a .' }), /^the instruction changed, it was: COPY \. \.$/],
    [record(RUN), stage({ ...RUN, variables: { ...RUN.variables, 'ARG NODE_ENV': '2' } }), /^ARG NODE_ENV changed$/],
    [record(RUN), stage({ ...RUN, text: 'RUN npm ci 2', variables: { 'ENV PATH': '1' } }), /^ARG NODE_ENV removed$/],
    [
      record(RUN),
      stage({ ...RUN, variables: { 'ARG NODE_ENV': '1', 'ENV PATH': '1' } }),
      /^the order of ARG and ENV changed$/,
    ],
    [record(RUN), stage({ ...RUN, instruction: 'other' }), /^what the instruction means changed/],
    [record(RUN), stage(RUN), /^nothing changed, but/],
    [record(RUN), { ...stage(RUN), baseKey: 'l', baseDigest: 'sha256:2' }, /^base image changed: sha256:1 → sha256:2$/],
    [record(RUN), { ...stage(RUN), baseKey: 'l', base: 'node:25' }, /^base image changed: node:24 → node:25$/],
    [record(RUN), { ...stage(RUN), baseKey: 'l' }, /^the platform or the fixed time/],
    // A copy was found by its stage, and its files were not looked at.
    [record(COPY, RUN), stage({ text: COPY.text, instruction: 'c', outcome: 'hit' }, RUN), /^nothing changed, but/],
    [record({ text: COPY.text, instruction: 'c', outcome: 'hit' }), stage(COPY), /^what it copies changed$/],
    // A step above, which is not cached itself, is what changed.
    [
      record({ ...COPY, files: { a: '1' } }, RUN),
      stage({ ...COPY, files: { a: '2' } }, RUN),
      /^COPY \. \.: 1 of 1 file changed: a$/,
    ],
  ];
  for (const [before, now, reason] of cases) assert.match(missReason(before, now), reason);
});

test('a record comes back as it was; anything else is refused', () => {
  const written = record(COPY, { ...RUN, reason: 'because' });
  assert.deepEqual(decodeRecord(encodeRecord(written)), written);
  assert.throws(() => decodeRecord(Buffer.from('no gzip')), /can't be read/);
});

test('values are recorded as digests', () => {
  assert.doesNotMatch(shortDigest('TOKEN=hunter2'), /hunter2/);
});
