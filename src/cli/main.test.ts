import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import manifest from '../../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '..', '..');
const BIN = { kasane: join(root, 'bin', 'kasane'), executor: join(root, 'bin', 'executor') };

function run(program: keyof typeof BIN, args: readonly string[], options: { cwd?: string } = {}) {
  const environment = { PATH: process.env['PATH'], HOME: tmpdir(), NODE_OPTIONS: '--no-such-option' };
  return spawnSync(BIN[program], args, { encoding: 'utf8', env: environment, cwd: options.cwd ?? tmpdir() });
}

suite('commands', () => {
  const cases: readonly [program: keyof typeof BIN, args: string[], status: number, stdout: RegExp, stderr: RegExp][] =
    [
      ['kasane', ['version'], 0, new RegExp(`^kasane ${manifest.version}\n$`), /^$/],
      ['kasane', ['--version'], 0, /^kasane \d/, /^$/],
      ['executor', ['version'], 0, new RegExp(`^Kaniko version : {2}v${manifest.version}\n$`), /^$/],
      ['executor', ['-v', 'debug', 'version'], 0, /^Kaniko version : {2}v/, /^$/],
      ['kasane', [], 0, /^Builds container images[^]*\n {2}build {6}/, /^$/],
      ['kasane', ['help', 'build'], 0, /kasane build \[flags\] \[CONTEXT\][^]*-t, --tag/, /^$/],
      ['kasane', ['build', '-h'], 0, /kasane build \[flags\]/, /^$/],
      ['executor', ['--help'], 0, /^Usage:\n {2}executor \[flags\][^]*--destination list/, /^$/],
      ['executor', ['help'], 0, /^Usage:\n {2}executor \[flags\]/, /^$/],
      [
        'kasane',
        ['biuld'],
        1,
        /^$/,
        /^Error: unknown command "biuld" for "kasane"\nHint: Did you mean: kasane build\?\n$/,
      ],
      ['kasane', ['help', 'biuld'], 1, /^$/, /^Error: unknown command "biuld"/],
      ['kasane', ['--context', '.'], 1, /^$/, /^Error: unknown flag: --context\nHint: Name the command first/],
      ['executor', ['--zzzzzz'], 1, /^$/, /^Error: unknown flag: --zzzzzz\nUsage:\n {2}executor \[flags\]/],
      ['executor', [], 1, /^$/, /^Error: you must provide --destination, or use --no-push\nUsage:/],
      [
        'executor',
        ['--no-push', '-v', 'loud'],
        1,
        /^$/,
        /^Error: parsing log level: not a valid logrus Level: "loud"\n/,
      ],
      [
        'executor',
        ['--no-push', '--log-format=x'],
        1,
        /^$/,
        /^Error: not a valid log format: "x"\. Please specify one of \(text, color, json\)\n/,
      ],
      [
        'kasane',
        ['build'],
        1,
        /^$/,
        /^Error: The image would go nowhere\nHint: [^\n]*\nUsage:\n {2}kasane build[^\n]*\n\nRun 'kasane build --help'/,
      ],
      ['executor', ['-d', 'x', '--dryrun'], 1, /^$/, /^Error: --dryrun is not supported: [^\n]*\n$/],
    ];
  for (const [program, args, status, stdout, stderr] of cases) {
    test(`${program} ${args.join(' ')}`, () => {
      const result = run(program, args);
      assert.match(result.stderr, stderr);
      assert.match(result.stdout, stdout);
      assert.equal(result.status, status);
    });
  }
});

test('the programs are found through links, as npm makes them', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-cli-'));
  t.after(() => rmSync(directory, { recursive: true }));
  symlinkSync(BIN.kasane, join(directory, 'first'));
  symlinkSync('first', join(directory, 'second'));
  const result = spawnSync(join(directory, 'second'), ['version'], { encoding: 'utf8' });
  assert.match(result.stdout, /^kasane \d/);
  assert.match(
    spawnSync('sh', ['kasane', 'version'], { cwd: join(root, 'bin'), encoding: 'utf8' }).stdout,
    /^kasane \d/,
  );
});

test('a data directory that cannot be made is an error that names it and says what to do', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-cli-'));
  t.after(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'context'));
  writeFileSync(join(directory, 'context', 'Dockerfile'), 'FROM scratch\n');
  writeFileSync(join(directory, 'file'), '');
  for (const data of [join(directory, 'file', 'data'), '/proc/nothing/data']) {
    const { status, stderr } = run('kasane', ['build', join(directory, 'context'), '--no-push', '--kaniko-dir', data]);
    assert.match(
      stderr,
      new RegExp(`^Error: can't use the data directory ${data}: E[A-Z]+: [^\n]*\nHint: [^\n]*--kaniko-dir`),
    );
    assert.equal(status, 1);
  }
});

test('a signal stops the build and ends the program with its own exit code', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-cli-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const program = join(directory, 'program.ts');
  writeFileSync(
    program,
    `import { onTermination } from ${JSON.stringify(join(import.meta.dirname, 'termination.ts'))};
const termination = onTermination((signal) => console.log(signal));
const timer = setInterval(() => {}, 1000);
termination.signal.addEventListener('abort', () => { clearInterval(timer); process.exitCode = termination.exitCode(); });
console.log('ready');`,
  );
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (said === '') child.kill(signal);
      said += text;
    });
    const status = await new Promise((resolve) => child.on('close', resolve));
    assert.equal(status, code);
    assert.equal(said, `ready\n${signal}\n`);
  }
});
