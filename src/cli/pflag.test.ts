import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { BuildError } from '../errors.ts';
import { parseFlags } from './pflag.ts';
import type { FlagTable } from './pflag.ts';

const table = {
  cache: { type: 'bool', default: false, help: '' },
  force: { type: 'bool', shorthand: 'F', default: false, help: '' },
  'run-layers': { type: 'bool', default: true, help: '' },
  destination: { type: 'list', shorthand: 'd', default: [], help: '', aliases: [{ name: 'tag', shorthand: 't' }] },
  'build-arg': { type: 'list', default: [], help: '' },
  verbosity: { type: 'string', shorthand: 'v', default: 'info', help: '' },
  'tar-path': { type: 'string', default: '', help: '', aliases: [{ name: 'tarPath', deprecated: true }] },
  'push-retry': { type: 'int', default: 0, help: '' },
  'cache-ttl': { type: 'duration', default: 0, help: '' },
  certificate: { type: 'pairs', default: new Map<string, string>(), help: '' },
  'registry-map': { type: 'map', default: new Map<string, string[]>(), help: '' },
  mode: { type: 'string', default: 'full', choices: ['full', 'redo'], help: '' },
  compression: { type: 'string', default: '', choices: ['gzip', 'zstd'], choiceError: 'must be either', help: '' },
  hidden: { type: 'string', default: '', hidden: true, help: '' },
} as const satisfies FlagTable;

suite('arguments mean what they mean to pflag', () => {
  const cases: readonly [args: string[], expected: Record<string, unknown>, positional?: string[]][] = [
    [[], { cache: false, 'run-layers': true, destination: [], verbosity: 'info' }],
    [['--cache'], { cache: true }],
    [['--cache=true'], { cache: true }],
    [['--cache=false'], { cache: false }],
    [['--cache', 'pos'], { cache: true }, ['pos']],
    [['--cache', 'false'], { cache: true }, ['false']],
    [['--cache=T'], { cache: true }],
    [['--cache=0'], { cache: false }],
    [['--cache', '--cache=f'], { cache: false }],
    [['--run-layers=false'], { 'run-layers': false }],
    [['-d', 'a', '--destination=b', '--destination', 'c,d'], { destination: ['a', 'b', 'c,d'] }],
    [['-da', '-vdebug'], { destination: ['a'], verbosity: 'debug' }],
    [['-d=a'], { destination: ['a'] }],
    [['-d='], { destination: ['='] }],
    [['-Fda', '-Fvdebug'], { force: true, destination: ['a'], verbosity: 'debug' }],
    [['-F=false'], { force: false }],
    [['-ta', '--tag', 'b', '-dc'], { destination: ['a', 'b', 'c'] }],
    [['--build-arg', '-x'], { 'build-arg': ['-x'] }],
    [['--build-arg', '--cache'], { 'build-arg': ['--cache'], cache: false }],
    [['--build-arg', 'A=b=c', '--build-arg=D=e,f', '--build-arg='], { 'build-arg': ['A=b=c', 'D=e,f', ''] }],
    [['--', '--cache', '-d'], { cache: false }, ['--cache', '-d']],
    [['a', '--cache', '-', 'b'], { cache: true }, ['a', '-', 'b']],
    [['--verbosity', ''], { verbosity: '' }],
    [['--verbosity=a', '--verbosity=b'], { verbosity: 'b' }],
    [['--push-retry', '-3'], { 'push-retry': -3 }],
    [['--push-retry=0x10'], { 'push-retry': 16 }],
    [['--push-retry=010'], { 'push-retry': 8 }],
    [['--cache-ttl=1h30m'], { 'cache-ttl': 5400e9 }],
    [
      ['--certificate=a=/x=y', '--certificate', 'b=', '--certificate=a=z'],
      {
        certificate: new Map([
          ['a', 'z'],
          ['b', ''],
        ]),
      },
    ],
    [
      ['--registry-map=a=b;c=d', '--registry-map', 'a=e', '--registry-map='],
      {
        'registry-map': new Map([
          ['a', ['b', 'e']],
          ['c', ['d']],
        ]),
      },
    ],
    [['--mode=redo', '--compression', 'zstd'], { mode: 'redo', compression: 'zstd' }],
    [['--tarPath=x'], { 'tar-path': 'x' }],
  ];
  for (const [args, expected, positional = []] of cases) {
    test(args.join(' ') || '(nothing)', () => {
      const parsed = parseFlags(table, args);
      for (const [name, value] of Object.entries(expected)) {
        assert.deepEqual(parsed.values[name as keyof typeof table], value, name);
      }
      assert.deepEqual(parsed.positional, positional);
    });
  }
});

suite('wrong arguments are refused in pflag’s words', () => {
  const cases: readonly [args: string[], message: string, hint?: string | RegExp][] = [
    [['--nothing-like-it'], 'unknown flag: --nothing-like-it'],
    [['--nothing-like-it=1'], 'unknown flag: --nothing-like-it'],
    [['--destnation=a'], 'unknown flag: --destnation', 'Did you mean --destination?'],
    [['--tar_path=a'], 'unknown flag: --tar_path', 'Did you mean --tar-path?'],
    [['--Cache'], 'unknown flag: --Cache', 'Did you mean --cache?'],
    [['--dest=a'], 'unknown flag: --dest', 'Did you mean --destination?'],
    [['--hiden=a'], 'unknown flag: --hiden'],
    [['-x'], "unknown shorthand flag: 'x' in -x"],
    [['-Fx'], "unknown shorthand flag: 'x' in -x"],
    [['-cache'], "unknown shorthand flag: 'c' in -cache", 'Did you mean --cache, with two dashes?'],
    [['-d'], "flag needs an argument: 'd' in -d"],
    [['-Fd'], "flag needs an argument: 'd' in -d"],
    [['--destination'], 'flag needs an argument: --destination'],
    [['--=x'], 'bad flag syntax: --=x'],
    [['---cache'], 'bad flag syntax: ---cache'],
    [
      ['--cache=maybe'],
      'invalid argument "maybe" for "--cache" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    [['--cache='], 'invalid argument "" for "--cache" flag: strconv.ParseBool: parsing "": invalid syntax'],
    [['-F=x'], 'invalid argument "x" for "-F, --force" flag: strconv.ParseBool: parsing "x": invalid syntax'],
    [['--push-retry=x'], 'invalid argument "x" for "--push-retry" flag: strconv.ParseInt: parsing "x": invalid syntax'],
    [
      ['--push-retry=1.5'],
      'invalid argument "1.5" for "--push-retry" flag: strconv.ParseInt: parsing "1.5": invalid syntax',
    ],
    [
      ['--push-retry=99999999999999999999'],
      'invalid argument "99999999999999999999" for "--push-retry" flag: strconv.ParseInt: parsing "99999999999999999999": value out of range',
    ],
    [['--cache-ttl=10'], 'invalid argument "10" for "--cache-ttl" flag: time: missing unit in duration "10"'],
    [['--cache-ttl=10d'], 'invalid argument "10d" for "--cache-ttl" flag: time: unknown unit "d" in duration "10d"'],
    [
      ['--certificate=a'],
      'invalid argument "a" for "--certificate" flag: invalid argument value. expect key=value, got a',
    ],
    [
      ['--registry-map=a=b;c'],
      'invalid argument "a=b;c" for "--registry-map" flag: invalid argument value. expect key=value, got c',
    ],
    [['--mode=x'], 'invalid argument "x" for "--mode" flag: must be one of full, redo'],
    [['--compression=x'], 'invalid argument "x" for "--compression" flag: must be either'],
  ];
  for (const [args, message, hint] of cases) {
    test(args.join(' '), () => {
      assert.throws(
        () => parseFlags(table, args),
        (error: unknown) => {
          assert.ok(error instanceof BuildError);
          assert.equal(error.message, message);
          assert.equal(error.hint, hint);
          assert.match(error.code, /^FLAG_/);
          return true;
        },
      );
    });
  }
});

test('deprecated spellings work and say what to use', () => {
  const parsed = parseFlags(table, ['--tarPath', 'x', '-ta']);
  assert.deepEqual(parsed.deprecations, ['Flag --tarPath is deprecated. Use: --tar-path']);
  assert.deepEqual(
    [...parsed.given],
    [
      ['tar-path', '--tarPath'],
      ['destination', '-t'],
    ],
  );
});

test('whatever the items are, a list keeps them as they were given', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), fc.boolean())), (items) => {
      const args = items.flatMap(([text, glued]) => (glued ? [`--build-arg=${text}`] : ['--build-arg', text]));
      assert.deepEqual(
        parseFlags(table, args).values['build-arg'],
        items.map(([text]) => text),
      );
    }),
  );
});
