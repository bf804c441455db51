import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { logLine } from './logLine.ts';
import type { LogEntry } from './logLine.ts';
import { logStyle } from './logStyle.ts';
import type { LogStyle } from './logStyle.ts';
import { isShown, parseVerbosity } from './verbosity.ts';

process.env['TZ'] = 'UTC';
const START = Date.UTC(2026, 10, 21, 9, 30, 0);

suite('lines are those that pipelines know from kaniko', () => {
  const cases: readonly [style: LogStyle, entry: Partial<LogEntry>, expected: string, fullTimestamp?: boolean][] = [
    ['plain', {}, 'INFO[0003] hello world\n'],
    ['plain', { level: 'warn' }, 'WARN[0003] hello world\n'],
    ['plain', { level: 'error', message: 'a\nb\n' }, 'ERRO[0003] a\nb\n'],
    ['plain', { level: 'debug', time: START + 12_345_678 }, 'DEBU[12345] hello world\n'],
    ['plain', { time: START - 5 }, 'INFO[0000] hello world\n'],
    ['plain', {}, 'INFO[2026-11-21T09:30:03Z] hello world\n', true],
    ['color', {}, '\x1b[36mINFO\x1b[0m[0003] hello world\n'],
    ['color', { level: 'warn' }, '\x1b[33mWARN\x1b[0m[0003] hello world\n'],
    ['color', { level: 'trace' }, '\x1b[37mTRAC\x1b[0m[2026-11-21T09:30:03Z] hello world\n', true],
    ['logfmt', {}, 'time="2026-11-21T09:30:03Z" level=info msg="hello world"\n'],
    ['logfmt', { level: 'warn', message: 'a/b@c' }, 'time="2026-11-21T09:30:03Z" level=warning msg=a/b@c\n'],
    ['logfmt', { message: 'a "b"\n\x1bé' }, 'time="2026-11-21T09:30:03Z" level=info msg="a \\"b\\"\\n\\x1bé"\n'],
    ['json', {}, '{"level":"info","msg":"hello world","time":"2026-11-21T09:30:03Z"}\n'],
    [
      'json',
      { message: 'a\nb', fields: { code: 'X' } },
      '{"code":"X","level":"info","msg":"a\\nb","time":"2026-11-21T09:30:03Z"}\n',
    ],
  ];
  for (const [style, entry, expected, fullTimestamp = false] of cases) {
    test(`${style} ${JSON.stringify(entry)}`, () => {
      const whole: LogEntry = { level: 'info', message: 'hello world', time: START + 3999, ...entry };
      assert.equal(logLine(whole, { style, startedAt: START, fullTimestamp }), expected);
    });
  }
});

test('times carry the local offset', (t) => {
  t.after(() => (process.env['TZ'] = 'UTC'));
  const entry: LogEntry = { level: 'info', message: 'x', time: START };
  const line = (zone: string): string => {
    process.env['TZ'] = zone;
    return logLine(entry, { style: 'plain', startedAt: START, fullTimestamp: true });
  };
  assert.equal(line('Asia/Kolkata'), 'INFO[2026-11-21T15:00:00+05:30] x\n');
  assert.equal(line('America/St_Johns'), 'INFO[2026-11-21T06:00:00-03:30] x\n');
});

test('no escape codes reach a file, a dumb terminal or whoever sets NO_COLOR', () => {
  const cases: readonly [
    format: string | undefined,
    isTerminal: boolean,
    environment: Record<string, string>,
    LogStyle,
  ][] = [
    [undefined, true, {}, 'color'],
    [undefined, false, {}, 'plain'],
    [undefined, true, { NO_COLOR: '1' }, 'plain'],
    [undefined, true, { NO_COLOR: '' }, 'color'],
    [undefined, true, { TERM: 'dumb' }, 'plain'],
    ['color', false, {}, 'color'],
    ['color', true, { NO_COLOR: '1' }, 'plain'],
    ['text', true, {}, 'logfmt'],
    ['json', true, {}, 'json'],
  ];
  for (const [format, isTerminal, environment, expected] of cases) {
    assert.equal(logStyle(format, { isTerminal, environment }), expected);
  }
  assert.throws(() => logStyle('', { isTerminal: true, environment: {} }), {
    message: 'not a valid log format: "". Please specify one of (text, color, json)',
  });
});

test('levels are those of logrus', () => {
  assert.deepEqual(['INFO', 'Warning', 'panic'].map(parseVerbosity), ['info', 'warn', 'panic']);
  assert.throws(() => parseVerbosity('loud'), { message: 'parsing log level: not a valid logrus Level: "loud"' });
  assert.ok(isShown('warn', 'info') && isShown('trace', 'trace'));
  assert.ok(!isShown('info', 'warn') && !isShown('error', 'panic'));
});
