import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { BuildEvent, StageLabel } from '../events.ts';
import type { Digest } from '../image/digest.ts';
import { buildLog } from './buildLog.ts';
import { formatSize, formatTime } from './humanUnits.ts';
import { runOutput } from './runOutput.ts';
import { hideValues, secretValues } from './secretValues.ts';
import type { Verbosity } from './verbosity.ts';

const digest = `sha256:${'a'.repeat(64)}` as Digest;
const builder: StageLabel = { index: 0, name: 'builder' };
const last: StageLabel = { index: 1 };
const chunk = (text: string): Uint8Array => Buffer.from(text);

/** What a terminal shows of the events: both streams in the order of writing. */
function shown(events: readonly BuildEvent[], verbosity: Verbosity = 'info', secrets: readonly string[] = []): string {
  let text = '';
  const sink = { write: (piece: string | Uint8Array) => (text += Buffer.from(piece).toString()) };
  const options = {
    style: 'plain',
    startedAt: 0,
    fullTimestamp: false,
    stdout: sink,
    stderr: sink,
    now: () => 0,
  } as const;
  const report = buildLog({ ...options, verbosity, hide: hideValues(secrets) });
  for (const event of events) report.listener(event);
  report.end();
  return text;
}

const started = (stage: StageLabel): BuildEvent => ({ kind: 'stage-started', stage, base: 'debian:12', steps: 2 });
const step = (stage: StageLabel, text: string): BuildEvent => ({
  kind: 'step-started',
  stage,
  step: 1,
  steps: 2,
  text,
});
const done = (
  stage: StageLabel,
  text: string,
  more: Partial<BuildEvent & { kind: 'step-finished' }> = {},
): BuildEvent => ({
  kind: 'step-finished',
  stage,
  step: 1,
  steps: 2,
  text,
  milliseconds: 3210,
  cached: false,
  ...more,
});
const output = (stage: StageLabel, text: string): BuildEvent => ({
  kind: 'output',
  stage,
  stream: 'stdout',
  chunk: chunk(text),
});

suite('a build reads like this', () => {
  const cases: readonly [what: string, events: BuildEvent[], expected: string, verbosity?: Verbosity][] = [
    [
      'one stage: output as it came',
      [
        started(builder),
        step(builder, 'RUN make'),
        output(builder, 'cc a'),
        output(builder, '.c\n'),
        done(builder, 'RUN make', { layer: { digest, size: 45_123_456 } }),
        { kind: 'stage-finished', stage: builder, milliseconds: 5000 },
      ],
      `INFO[0000] Building stage 'debian:12' [idx: '0', name: 'builder']
INFO[0000] RUN make
cc a.c
INFO[0000] Step 1/2 done: RUN make (3.2s, layer 45.1 MB)
`,
    ],
    [
      'a line that is left open does not swallow the next one',
      [started(last), output(last, 'no end'), done(last, 'RUN x')],
      `INFO[0000] Building stage 'debian:12' [idx: '1']
no end
INFO[0000] Step 1/2 done: RUN x (3.2s, no changes)
`,
    ],
    [
      'two stages side by side: whole lines, told apart',
      [
        started(builder),
        started(last),
        step(builder, 'RUN a'),
        output(builder, 'one '),
        output(last, 'two\n'),
        output(builder, 'line\nopen'),
        done(builder, 'RUN a', { cached: true, layer: { digest, size: 10 } }),
      ],
      `INFO[0000] Building stage 'debian:12' [idx: '0', name: 'builder']
INFO[0000] Building stage 'debian:12' [idx: '1']
INFO[0000] [builder] RUN a
[1] two
[builder] one line
[builder] open
INFO[0000] [builder] Step 1/2 done: RUN a (CACHED, layer 10 B)
`,
    ],
    [
      'what only changes metadata takes one line',
      [step(last, 'ENV a=b'), done(last, 'ENV a=b', { milliseconds: 1 })],
      'INFO[0000] ENV a=b\n',
    ],
    [
      'heredocs: the end names the first line',
      [done(last, 'RUN <<EOF\nmake\nEOF', { milliseconds: 5 })],
      'INFO[0000] Step 1/2 done: RUN <<EOF (5ms, no changes)\n',
    ],
    [
      'the last words of a command that was cut off are not lost',
      [started(builder), started(last), output(last, 'dying')],
      `INFO[0000] Building stage 'debian:12' [idx: '0', name: 'builder']
INFO[0000] Building stage 'debian:12' [idx: '1']
[1] dying
`,
    ],
    ['levels below the verbosity are left out', [{ kind: 'log', level: 'debug', message: 'x' }], ''],
    ['the output of commands is not a matter of verbosity', [step(last, 'RUN x'), output(last, 'x\n')], 'x\n', 'error'],
    [
      'transfers at debug',
      [
        { kind: 'transfer', direction: 'upload', digest, done: 5, total: 10 },
        { kind: 'transfer', direction: 'upload', digest, done: 10, total: 10 },
      ],
      `DEBU[0000] Uploaded ${digest}, 10 B\n`,
      'debug',
    ],
  ];
  for (const [what, events, expected, verbosity] of cases) {
    test(what, () => assert.equal(shown(events, verbosity), expected));
  }
});

test('values of secret build arguments are not in the log', () => {
  const secrets = secretValues([
    { name: 'NPM_TOKEN', value: 't0k.en+' },
    { name: 'dbPassword', value: 'hunter2hunter' },
    { name: 'API_KEY', value: 'hunter2' },
    { name: 'KEYBOARD', value: 'visible' },
    { name: 'PASSENGERS', value: 'visible' },
    { name: 'PASSWORD', value: '' },
  ]);
  assert.deepEqual(secrets, ['t0k.en+', 'hunter2hunter', 'hunter2']);
  const text = shown([step(last, 'RUN login t0k.en+ hunter2hunter visible')], 'info', secrets);
  assert.equal(text, 'INFO[0000] RUN login **** **** visible\n');
});

/** Without prefixes and line ends. */
function bare(text: string): string {
  return text.replaceAll('\n> ', '\n').replace(/^> /, '').replaceAll('\n', '');
}

test('no byte of a command’s output is lost or changed, with or without prefix', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ max: 20 }), fc.boolean())), (pieces) => {
      const written: Buffer[] = [];
      let alone = true;
      const out = runOutput({ write: (piece) => written.push(Buffer.from(piece)) }, () => (alone ? undefined : '> '));
      for (const [bytes, isAlone] of pieces) {
        alone = isAlone;
        out.write(bytes);
      }
      out.finish();
      const given = Buffer.concat(pieces.map(([bytes]) => bytes)).toString('latin1');
      assert.equal(bare(Buffer.concat(written).toString('latin1')), given.replaceAll('\n', ''));
    }),
  );
});

test('sizes and times are for people', () => {
  const sizes = [0, 999, 1000, 45_123_456, 99_960_000, 999_600_000, 5e15];
  assert.deepEqual(sizes.map(formatSize), ['0 B', '999 B', '1.0 kB', '45.1 MB', '100 MB', '1.0 GB', '5.0 PB']);
  const times = [0, 12.4, 999.6, 3210, 59_960, 125_000, 3_720_000];
  assert.deepEqual(times.map(formatTime), ['0ms', '12ms', '1.0s', '3.2s', '1m00s', '2m05s', '1h02m']);
});
