import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromText } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import type { TreePath } from '../tree/tree.ts';
import { compileIgnoreFile, compilePatterns } from './patternMatcher.ts';

const path = (text: string): TreePath => fromText(text);

function excludes(patterns: readonly string[], text: string): boolean {
  return compilePatterns(patterns).excludes(path(text));
}

const CASES: readonly [patterns: string[], path: string, excluded: boolean][] = [
  [['*.log'], 'a.log', true],
  [['*.log'], 'logs/a.log', false],
  [['**/*.log'], 'logs/deep/a.log', true],
  [['**/*.log'], 'a.log', true],
  [['node_modules'], 'node_modules/x/y', true],
  [['node_modules'], 'web/node_modules', false],
  [['node_modules/'], 'node_modules/x', true],
  [['/node_modules'], 'node_modules', false],
  [['a/**'], 'a', false],
  [['a/**'], 'a/b/c', true],
  [['**'], 'any/thing', true],
  [['**/'], 'any', true],
  [['.'], 'a', false],
  [['*'], '.hidden', true],
  [['a?c'], 'abc', true],
  [['a?c'], 'a/c', false],
  [['a?c'], 'a😀c', true],
  [['[a-c]x'], 'bx', true],
  [['[^a-c]x'], 'bx', false],
  [['a\\*b'], 'a*b', true],
  [['a\\*b'], 'axb', false],
  [['A'], 'a', false],
  [['a/./b/../c'], 'a/c', true],
  [['dist/*.whl'], 'dist/pkg+1(2).whl', true],
  [['a.b'], 'axb', false],
  [['*', '!keep'], 'keep', false],
  [['*', '!keep'], 'keep/x', false],
  [['*', '!keep'], 'other', true],
  [['*', '!keep', 'keep/secret'], 'keep/secret', true],
  [['!keep', '*'], 'keep', true],
  [['docs', '!docs/README.md'], 'docs/README.md', false],
  [['docs', '!docs/README.md'], 'docs/other.md', true],
  [['  docs  '], 'docs', true],
  [['', ' '], 'docs', false],
  [['foo**'], 'foobar/x', true],
  [['**foo'], 'x/barfoo', true],
];

for (const [patterns, text, excluded] of CASES) {
  test(`${patterns.join(' ')} ${excluded ? 'leaves out' : 'keeps'} ${text}`, () => {
    assert.equal(excludes(patterns, text), excluded);
  });
}

test('answers as moby/patternmatcher does, oddities included', () => {
  const fixture = JSON.parse(readFileSync(new URL('patternMatcher.fixture.json', import.meta.url), 'utf8')) as [
    patterns: string[],
    path: string,
    excluded: boolean | null,
  ][];
  for (const [patterns, text, excluded] of fixture) {
    const message = `${JSON.stringify(patterns)} ${text}`;
    if (excluded === null) assert.throws(() => excludes(patterns, text), { code: 'IGNORE_PATTERN_INVALID' }, message);
    else assert.equal(excludes(patterns, text), excluded, message);
  }
});

test('a mistake in an ignore file is shown with its line', () => {
  for (const [text, line, message] of [
    ['a\n\n# !\n!\n', 4, 'illegal exclusion pattern: "!"'],
    ['a\n[b\n', 2, 'syntax error in pattern: "[b"'],
    ['!  \n', 1, 'illegal exclusion pattern: "!"'],
  ] as const) {
    assert.throws(
      () => compileIgnoreFile(text, '/ctx/.dockerignore'),
      (error: unknown) => {
        assert.ok(error instanceof BuildError);
        assert.equal(error.message, message);
        assert.equal(error.location?.file, '/ctx/.dockerignore');
        assert.equal(error.location.startLine, line);
        return true;
      },
    );
  }
});

test('an ignored tree need not be walked unless an exception can match in it', () => {
  const cases: [patterns: string[], directory: string, walked: boolean][] = [
    [['node_modules'], 'node_modules', false],
    [['node_modules', '!src/keep'], 'node_modules', false],
    [['node_modules', '!node_modules/keep'], 'node_modules', true],
    [['node_modules', '!node_modules/keep'], 'node_modules/other', false],
    [['*', '!src'], 'lib', false],
    [['*', '!**/*.md'], 'lib', true],
    [['*', '!*/keep'], 'lib', true],
    [['*', '!*/keep'], 'lib/deep', false],
    [['!**/*.md', 'lib'], 'lib', false],
    [['*', '![ab]/keep'], 'a', true],
    [['lib'], 'src', true],
  ];
  for (const [patterns, directory, walked] of cases) {
    assert.equal(
      compilePatterns(patterns).mayContainException(path(directory)),
      walked,
      `${patterns.join(' ')} ${directory}`,
    );
  }
});

test('nothing below a directory is kept where no exception was said to be possible', () => {
  const component = fc.constantFrom('a', 'b', 'ab', '.x');
  const part = fc.constantFrom('a', 'b', '*', '**', '?', '[ab]', 'a*', '.x', '**b');
  const pattern = fc
    .tuple(fc.constantFrom('', '!'), fc.array(part, { minLength: 1, maxLength: 4 }))
    .map(([mark, parts]) => mark + parts.join('/'));
  fc.assert(
    fc.property(
      fc.array(pattern, { maxLength: 4 }),
      fc.array(component, { minLength: 2, maxLength: 4 }),
      (patterns, components) => {
        const matcher = compilePatterns(patterns);
        if (matcher.excludes(path(components.join('/')))) return;
        for (let depth = 1; depth < components.length; depth++) {
          const directory = path(components.slice(0, depth).join('/'));
          assert.ok(!matcher.excludes(directory) || matcher.mayContainException(directory), directory);
        }
      },
    ),
  );
});
