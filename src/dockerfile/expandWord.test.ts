import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BuildError } from '../errors.ts';
import { expand, expandHeredoc, expandWord, expandWords } from './expandWord.ts';

const variables: Readonly<Record<string, string>> = {
  x: 'value',
  empty: '',
  path: '/usr/local/lib/a.tar.gz',
  stars: 'a***yy*',
  marks: '()[]{}^$.*?|\\x',
  list: 'one two  three',
  name: 'x',
  ö: 'umlaut',
  '1': 'first',
  '12': 'twelfth',
  pattern: '*/',
};
const lookup = (name: string): string | undefined => (Object.hasOwn(variables, name) ? variables[name] : undefined);

const expansions: readonly (readonly [word: string, text: string])[] = [
  ['plain', 'plain'],
  ['', ''],
  ['$x', 'value'],
  ['${x}', 'value'],
  ['a${x}b', 'avalueb'],
  ['$x-$x', 'value-value'],
  ['$xy', ''],
  ['$x.y', 'value.y'],
  ['${unset}', ''],
  ['$ö', 'umlaut'],
  ['$1', 'first'],
  ['$12', 'twelfth'],
  ['$12a', 'twelftha'],
  ['$', '$'],
  ['$ x', '$ x'],
  ['a$', 'a$'],
  ['$%', '$%'],
  ['$@', ''],
  ['$?a', 'a'],
  // Quotes and escapes.
  ["'$x'", '$x'],
  ["'a\\b'", 'a\\b'],
  ['"$x"', 'value'],
  ['"a\\"b"', 'a"b'],
  ['"\\$x"', '$x'],
  ['"\\\\"', '\\'],
  ['"\\n"', '\\n'],
  ['"it\'s"', "it's"],
  ['\\$x', '$x'],
  ['\\a', 'a'],
  ['\\\\', '\\'],
  ['a\\ b', 'a b'],
  ['tail\\', 'tail'],
  ['a"b"\'c\'', 'abc'],
  ['""', ''],
  ['한국어', '한국어'],
  // Defaults and alternatives.
  ['${x:-w}', 'value'],
  ['${x-w}', 'value'],
  ['${empty:-w}', 'w'],
  ['${empty-w}', ''],
  ['${unset:-w}', 'w'],
  ['${unset-w}', 'w'],
  ['${unset:-}', ''],
  ['${unset:-$x}', 'value'],
  ['${unset:-${empty:-${x}}}', 'value'],
  ['${unset:-"a b"}', 'a b'],
  ["${unset:-'$x'}", '$x'],
  ['${unset:-\\}}', '}'],
  ['${x:+w}', 'w'],
  ['${x+w}', 'w'],
  ['${empty:+w}', ''],
  ['${empty+w}', 'w'],
  ['${unset:+w}', ''],
  ['${unset+w}', ''],
  ['${x:+-$x}', '-value'],
  ['${x:?m}', 'value'],
  ['${x?m}', 'value'],
  ['${empty?m}', ''],
  ['"${unset:-a}"', 'a'],
  // Prefixes and suffixes.
  ['${path#*/}', 'usr/local/lib/a.tar.gz'],
  ['${path##*/}', 'a.tar.gz'],
  ['${path%.*}', '/usr/local/lib/a.tar'],
  ['${path%%.*}', '/usr/local/lib/a'],
  ['${path#nothing}', '/usr/local/lib/a.tar.gz'],
  ['${path%.gz}', '/usr/local/lib/a.tar'],
  ['${path#/???/}', 'local/lib/a.tar.gz'],
  ['${path#$pattern}', 'usr/local/lib/a.tar.gz'],
  ['${x#}', 'value'],
  ['${x##}', 'value'],
  ['${x%}', 'value'],
  ['${unset#a}', ''],
  ['${marks#()[]{\\}^$.\\*\\?|\\\\}', 'x'],
  ['${stars%%\\**\\*}', 'a'],
  ['${stars%\\*}', 'a***yy'],
  // Replacement.
  ['${path/\\//_}', '_usr/local/lib/a.tar.gz'],
  ['${path//\\//_}', '_usr_local_lib_a.tar.gz'],
  ['${path//\\//}', 'usrlocalliba.tar.gz'],
  ['${path/l*l/X}', '/usr/Xib/a.tar.gz'],
  ['${path/nothing/X}', '/usr/local/lib/a.tar.gz'],
  ['${x/a/$name}', 'vxlue'],
  ['${x//?/-}', '-----'],
  ['${x/*/X}', 'X'],
  ['${x/\\//\\/}', 'value'],
  ['${path//\\//\\/}', '\\/usr\\/local\\/lib\\/a.tar.gz'],
  ['${x/$empty/ww}', 'wwvalue'],
  ['${x///}', 'value'],
  ['${unset/a/b}', ''],
  ['${list// /_}', 'one_two__three'],
];

for (const [word, text] of expansions) {
  test(`${word} is expanded`, () => {
    assert.equal(expandWord(word, lookup, { escape: '\\' }), text);
  });
}

const faults: readonly (readonly [word: string, message: string])[] = [
  ['${', "syntax error: missing '}'"],
  ['${x', "syntax error: missing '}'"],
  ['${x:', "syntax error: missing '}'"],
  ['${x:-', "syntax error: missing '}'"],
  ['${x:-a', "syntax error: missing '}'"],
  ['${x#a', "syntax error: missing '}'"],
  ['${x//a}', "syntax error: missing '/' in ${}"],
  ['${x/a/b', "syntax error: missing '}'"],
  ['${}', 'syntax error: bad substitution'],
  ['${{x}}', 'syntax error: bad substitution'],
  ['${:x}', 'syntax error: bad substitution'],
  ['${x:=w}', 'unsupported modifier (:=) in substitution'],
  ['${x=w}', 'unsupported modifier (=) in substitution'],
  ['${x:0:1}', 'unsupported modifier (:0) in substitution'],
  ['${x:#a}', 'unsupported modifier (:#) in substitution'],
  ['${x^^}', 'unsupported modifier (^) in substitution'],
  ['${!x}', 'unsupported modifier (x) in substitution'],
  ['${x y}', 'unsupported modifier ( ) in substitution'],
  ['${unset?}', 'unset: is not allowed to be unset'],
  ['${unset:?}', 'unset: is not allowed to be unset'],
  ['${empty:?}', 'empty: is not allowed to be empty'],
  ['${unset:?message with $x}', 'unset: message with value'],
  ['${empty:?message}', 'empty: message'],
  ['${x#\\a}', "invalid pattern (\\a) in substitution: invalid escape '\\a'"],
  ["'a", 'unexpected end of statement while looking for matching single-quote'],
  ['"a', 'unexpected end of statement while looking for matching double-quote'],
  ['"a\\', 'unexpected end of statement while looking for matching double-quote'],
];

for (const [word, message] of faults) {
  test(`${word} is an error that says why`, () => {
    assert.throws(
      () => expandWord(word, lookup, { escape: '\\' }),
      (error: unknown) => {
        assert(error instanceof BuildError);
        assert.equal(error.code, 'DOCKERFILE_EXPANSION');
        assert.equal(error.message.replace(/^failed to process "(?:[^"\\]|\\.)*": /, ''), message);
        return true;
      },
    );
  });
}

test('the escape directive changes what protects a character, in words and in quotes', () => {
  const options = { escape: '`' } as const;
  assert.equal(expandWord('`$x', lookup, options), '$x');
  assert.equal(expandWord('C:\\dir\\$x', lookup, options), 'C:\\dir\\value');
  assert.equal(expandWord('"`$x`" ``"', lookup, options), '$x" `');
});

const splits: readonly (readonly [word: string, words: readonly string[]])[] = [
  ['a b', ['a', 'b']],
  ['  a  b  ', ['a', 'b']],
  ['"a b" c', ['a b', 'c']],
  ["'a b'c", ['a bc']],
  ['a\\ b c', ['a b', 'c']],
  ['$list', ['one', 'two', 'three']],
  ['"$list"', ['one two  three']],
  ['x$list', ['xone', 'two', 'three']],
  ['${unset:-a b}', ['a', 'b']],
  ['$empty', []],
  ['""', []],
  ['a""', ['a']],
];

for (const [word, words] of splits) {
  test(`${word} is cut into words`, () => {
    assert.deepEqual(expandWords(word, lookup, { escape: '\\' }), words);
  });
}

test('what was found and what was not is told; a default makes a missing variable none', () => {
  const { matched, unmatched } = expand('$x ${nope} ${other:-1} ${third+1} $x', lookup, { escape: '\\' });
  assert.deepEqual([...matched], ['x']);
  assert.deepEqual([...unmatched], ['nope']);
});

test('a reference that is not set stays as written where that is asked for', () => {
  const options = { escape: '\\', keepUnset: true, rawQuotes: true, rawEscapes: true } as const;
  const text = `a $nope \${nope} \${nope:-x} \${nope//a/b} "$nope" '$x' \\$x "\\n"`;
  assert.equal(expandWord(text, lookup, options), text);
  assert.equal(expandWord('"$x" $x', lookup, options), '"value" value');
});

const bodies: readonly (readonly [body: string, text: string])[] = [
  ['plain\n', 'plain\n'],
  ['"quotes" and \'more\'\n', '"quotes" and \'more\'\n'],
  ["it's $x\n", "it's value\n"],
  ['"$x"\n', '"value"\n'],
  ['\\\n', '\n'],
  ['\\\\\n', '\\\n'],
  ['\\$x\n', '$x\n'],
  ['${unset:-d}\n', 'd\n'],
];

for (const [body, text] of bodies) {
  test(`the heredoc body ${JSON.stringify(body)} is expanded without regard to quotes`, () => {
    assert.equal(expandHeredoc(body, lookup).text, text);
  });
}

test('a text without dollars, quotes and escapes is its own expansion', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const plain = text.replace(/[$'"\\]/g, '');
      assert.equal(expandWord(plain, lookup, { escape: '\\' }), plain);
    }),
  );
});

test('no text makes the expansion fail with anything but an error for the user', () => {
  const unit = fc.constantFrom(...'${}:-+?#%/\\\'"` \tab*x1'.split(''));
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 40 }), fc.boolean(), (text, backtick) => {
      try {
        expandWords(text, lookup, { escape: backtick ? '`' : '\\' });
      } catch (error) {
        assert(error instanceof BuildError);
      }
    }),
    { numRuns: 2000 },
  );
});

test('deep nesting is an error, not a crash', () => {
  assert.throws(() => expandWord('${a:-'.repeat(50_000), lookup, { escape: '\\' }), BuildError);
});
