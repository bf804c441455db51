import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BuildError } from '../errors.ts';
import { parseDockerfile, parseTrigger } from './parseDockerfile.ts';
import type { Dockerfile, Instruction } from './instruction.ts';

const parse = (text: string): Dockerfile => parseDockerfile(text, { file: 'Dockerfile' });

/** The instructions after FROM, without what every instruction has. */
function bodiesOf(text: string): unknown[] {
  const file = parse(text);
  return file.stages.flatMap(({ instructions }) => instructions).map(bare);
}

function bare(instruction: Instruction): unknown {
  const { location: _, text: __, comments: ___, flags, ...body } = instruction;
  const inner = body.kind === 'onbuild' ? { ...body, instruction: bare(body.instruction) } : body;
  return flags.length === 0 ? inner : { ...inner, flags };
}

const shell = (text: string): object => ({ form: 'shell', text, heredocs: [] });
const exec = (...args: string[]): object => ({ form: 'exec', args });
const heredoc = (name: string, content: string, more: object = {}): object => ({
  name,
  content,
  expand: true,
  chomp: false,
  fileDescriptor: 0,
  ...more,
});

const instructions: readonly (readonly [text: string, body: unknown])[] = [
  ['RUN echo hi', { kind: 'run', command: shell('echo hi') }],
  ['run echo hi', { kind: 'run', command: shell('echo hi') }],
  ['  RUN\techo hi  ', { kind: 'run', command: shell('echo hi') }],
  ['RUN', { kind: 'run', command: shell('') }],
  ['RUN ["a", "b c"]', { kind: 'run', command: exec('a', 'b c') }],
  ['RUN ["a", \'b\']', { kind: 'run', command: shell('["a", \'b\']') }],
  ['RUN [ -f x ]', { kind: 'run', command: shell('[ -f x ]') }],
  ['RUN ["a"] && b', { kind: 'run', command: shell('["a"] && b') }],
  ['RUN echo a \\\n  b', { kind: 'run', command: shell('echo a   b') }],
  ['RUN echo a \\ \t\nb', { kind: 'run', command: shell('echo a b') }],
  ['RUN echo a\\\n# no\n   # no\nb', { kind: 'run', command: shell('echo ab') }],
  ['RUN echo a \\\n\n\nb', { kind: 'run', command: shell('echo a b') }],
  ['RUN echo a \\', { kind: 'run', command: shell('echo a') }],
  ['RUN echo a # b', { kind: 'run', command: shell('echo a # b') }],
  ['RUN echo a\\\\', { kind: 'run', command: shell('echo a\\\\') }],
  ['\\\nRUN x', { kind: 'run', command: shell('x') }],
  ['RUN echo a\r\n', { kind: 'run', command: shell('echo a') }],
  ['RUN echo a \\\r\n b\r\n', { kind: 'run', command: shell('echo a  b') }],
  // Flags.
  ['RUN --network=none x', { kind: 'run', command: shell('x'), flags: [{ name: 'network', value: 'none' }] }],
  ['RUN -- --network=none', { kind: 'run', command: shell('--network=none') }],
  ['RUN --network=host -- x', { kind: 'run', command: shell('x'), flags: [{ name: 'network', value: 'host' }] }],
  [
    'RUN --mount=type=cache,target="/a b" --mount=type=tmpfs,target=/t x',
    {
      kind: 'run',
      command: shell('x'),
      flags: [
        { name: 'mount', value: 'type=cache,target=/a b' },
        { name: 'mount', value: 'type=tmpfs,target=/t' },
      ],
    },
  ],
  [
    'RUN --mount=target=/a\\ b x',
    { kind: 'run', command: shell('x'), flags: [{ name: 'mount', value: 'target=/a b' }] },
  ],
  [
    'COPY --link --parents=FALSE a b',
    {
      kind: 'copy',
      sources: ['a'],
      heredocs: [],
      destination: 'b',
      flags: [{ name: 'link' }, { name: 'parents', value: 'FALSE' }],
    },
  ],
  [
    'ADD --checksum=sha256:x --unpack=true --keep-git-dir --exclude=a --exclude=b s d',
    {
      kind: 'add',
      sources: ['s'],
      heredocs: [],
      destination: 'd',
      flags: [
        { name: 'checksum', value: 'sha256:x' },
        { name: 'unpack', value: 'true' },
        { name: 'keep-git-dir' },
        { name: 'exclude', value: 'a' },
        { name: 'exclude', value: 'b' },
      ],
    },
  ],
  // COPY and ADD.
  ['COPY a b c/', { kind: 'copy', sources: ['a', 'b'], heredocs: [], destination: 'c/' }],
  ['COPY ["a b", "c"]', { kind: 'copy', sources: ['a b'], heredocs: [], destination: 'c' }],
  ['COPY ["<<EOF", "c"]', { kind: 'copy', sources: ['<<EOF'], heredocs: [], destination: 'c' }],
  // Heredocs.
  ['RUN <<EOF\na\nEOF', { kind: 'run', command: { form: 'shell', text: '<<EOF', heredocs: [heredoc('EOF', 'a\n')] } }],
  [
    'RUN cat <<A 3<<"B" | x\n1\nA\n2\nB\n',
    {
      kind: 'run',
      command: {
        form: 'shell',
        text: 'cat <<A 3<<"B" | x',
        heredocs: [heredoc('A', '1\n'), heredoc('B', '2\n', { expand: false, fileDescriptor: 3 })],
      },
    },
  ],
  [
    'RUN <<-E\n\ta\n\t\t b\n\tE',
    {
      kind: 'run',
      command: {
        form: 'shell',
        text: '<<-E',
        heredocs: [heredoc('E', 'a\n b\n', { chomp: true, raw: '\ta\n\t\t b\n' })],
      },
    },
  ],
  [
    "RUN <<E'O'F\n\n# no comment \\\nEOF",
    {
      kind: 'run',
      command: {
        form: 'shell',
        text: "<<E'O'F",
        heredocs: [heredoc('EOF', '\n# no comment \\\n', { expand: false })],
      },
    },
  ],
  ['RUN cat <<<word', { kind: 'run', command: shell('cat <<<word') }],
  ['RUN echo $((1<<2))', { kind: 'run', command: shell('echo $((1<<2))') }],
  ['RUN echo "<<EOF"', { kind: 'run', command: shell('echo "<<EOF"') }],
  ["RUN echo it's <<EOF", { kind: 'run', command: shell("echo it's <<EOF") }],
  ['RUN ["a", "<<EOF"]', { kind: 'run', command: exec('a', '<<EOF') }],
  [
    'COPY <<a.txt <<"b" c /d/\n1\na.txt\n$2\nb',
    {
      kind: 'copy',
      sources: ['c'],
      heredocs: [heredoc('a.txt', '1\n'), heredoc('b', '$2\n', { expand: false })],
      destination: '/d/',
    },
  ],
  ['ADD <<E /e\nE', { kind: 'add', sources: [], heredocs: [heredoc('E', '')], destination: '/e' }],
  // ENV and LABEL.
  ['ENV A=b', { kind: 'env', pairs: [{ key: 'A', value: 'b' }] }],
  [
    'ENV A=b C="d e" F=\'g h\' I=j\\ k L=',
    {
      kind: 'env',
      pairs: [
        { key: 'A', value: 'b' },
        { key: 'C', value: '"d e"' },
        { key: 'F', value: "'g h'" },
        { key: 'I', value: 'j\\ k' },
        { key: 'L', value: '' },
      ],
    },
  ],
  ['ENV A b c=d', { kind: 'env', pairs: [{ key: 'A', value: 'b c=d', legacy: true }] }],
  ['ENV A  b', { kind: 'env', pairs: [{ key: 'A', value: 'b', legacy: true }] }],
  ['ENV A=b=c', { kind: 'env', pairs: [{ key: 'A', value: 'b=c' }] }],
  [
    'LABEL "a b"="c" d=e',
    {
      kind: 'label',
      pairs: [
        { key: '"a b"', value: '"c"' },
        { key: 'd', value: 'e' },
      ],
    },
  ],
  [
    'ARG A B=c D="e f" G=',
    {
      kind: 'arg',
      args: [{ name: 'A' }, { name: 'B', value: 'c' }, { name: 'D', value: '"e f"' }, { name: 'G', value: '' }],
    },
  ],
  // The rest.
  ['CMD a b', { kind: 'cmd', command: shell('a b') }],
  ['CMD []', { kind: 'cmd', command: exec() }],
  ['CMD ["a"]', { kind: 'cmd', command: exec('a') }],
  ['ENTRYPOINT []', { kind: 'entrypoint', command: exec() }],
  ['WORKDIR /a b', { kind: 'workdir', path: '/a b' }],
  ['USER a:b', { kind: 'user', user: 'a:b' }],
  ['EXPOSE 90 80/udp  $P', { kind: 'expose', ports: ['$P', '80/udp', '90'] }],
  ['VOLUME /a /b', { kind: 'volume', paths: ['/a', '/b'] }],
  ['VOLUME ["/a b", " /c "]', { kind: 'volume', paths: ['/a b', '/c'] }],
  ['SHELL ["a", "-c"]', { kind: 'shell', shell: ['a', '-c'] }],
  ['STOPSIGNAL SIGINT', { kind: 'stopsignal', signal: 'SIGINT' }],
  ['MAINTAINER Me <me@x>', { kind: 'maintainer', maintainer: 'Me <me@x>' }],
  ['HEALTHCHECK NONE', { kind: 'healthcheck', none: true }],
  ['HEALTHCHECK cmd curl x', { kind: 'healthcheck', none: false, command: shell('curl x') }],
  ['HEALTHCHECK CMD ["a"]', { kind: 'healthcheck', none: false, command: exec('a') }],
  [
    'HEALTHCHECK --interval=1m30s --retries=3 CMD x',
    {
      kind: 'healthcheck',
      none: false,
      command: shell('x'),
      flags: [
        { name: 'interval', value: '1m30s' },
        { name: 'retries', value: '3' },
      ],
    },
  ],
  [
    'ONBUILD RUN --network=none a',
    {
      kind: 'onbuild',
      trigger: 'RUN --network=none a',
      instruction: { kind: 'run', command: shell('a'), flags: [{ name: 'network', value: 'none' }] },
    },
  ],
  [
    'onbuild COPY <<-E /x\n\ta\n\tE',
    {
      kind: 'onbuild',
      trigger: 'COPY <<-E /x\n\ta\nE',
      instruction: {
        kind: 'copy',
        sources: [],
        heredocs: [heredoc('E', 'a\n', { chomp: true, raw: '\ta\n' })],
        destination: '/x',
      },
    },
  ],
];

for (const [text, body] of instructions) {
  test(`${JSON.stringify(text)} is understood`, () => {
    assert.deepEqual(bodiesOf(`FROM scratch\n${text}`), [body]);
  });
}

const froms: readonly (readonly [text: string, from: object])[] = [
  ['FROM a', { kind: 'from', image: 'a' }],
  ['from a AS b', { kind: 'from', image: 'a', stageName: 'b' }],
  ['FROM a as Build-1_x.y', { kind: 'from', image: 'a', stageName: 'build-1_x.y' }],
  ['FROM --platform=$P a', { kind: 'from', image: 'a', platform: '$P', flags: [{ name: 'platform', value: '$P' }] }],
  ['\uFEFFFROM a\r\n', { kind: 'from', image: 'a' }],
];

for (const [text, from] of froms) {
  test(`${JSON.stringify(text)} begins a stage`, () => {
    const [stage] = parse(text).stages;
    assert(stage !== undefined);
    assert.deepEqual(bare(stage.from), from);
  });
}

const faults: readonly (readonly [text: string, line: number, message: string])[] = [
  ['RNU x', 1, 'unknown instruction: RNU (did you mean RUN?)'],
  ['FROM a\nrnu x', 2, 'unknown instruction: rnu (did you mean run?)'],
  ['FROM a\nCOPPY x', 2, 'unknown instruction: COPPY (did you mean COPY?)'],
  ['FROM a\nFROBNICATE x', 2, 'unknown instruction: FROBNICATE'],
  ['RUN x', 1, 'no build stage in current context'],
  ['FROM', 1, 'FROM requires either one or three arguments'],
  ['FROM a b', 1, 'FROM requires either one or three arguments'],
  ['FROM a IS b', 1, 'FROM requires either one or three arguments'],
  ['FROM a AS 1b', 1, 'invalid name for build stage: "1b", name can\'t start with a number or contain symbols'],
  ['FROM a AS b/c', 1, 'invalid name for build stage: "b/c", name can\'t start with a number or contain symbols'],
  ['FROM a\nCOPY --form=x a b', 2, 'unknown flag: --form (did you mean from?)'],
  ['FROM a\nCOPY --chown=a --chown=b c d', 2, 'duplicate flag specified: --chown'],
  ['FROM a\nCOPY --chown a b', 2, 'missing a value on flag: --chown'],
  ['FROM a\nCOPY --link= a b', 2, 'missing a value on flag: --link'],
  ['FROM a\nCOPY --link=yes a b', 2, 'expecting boolean value for flag --link, not: yes'],
  ['FROM a\nWORKDIR --x /a', 2, 'unknown flag: --x'],
  ['FROM a\nONBUILD --x RUN a', 2, 'unknown flag: --x'],
  ['FROM a\nRUN [1]', 2, 'when using JSON array syntax, arrays must be comprised of strings only'],
  ['FROM a\nCOPY ["a", null]', 2, 'when using JSON array syntax, arrays must be comprised of strings only'],
  ['FROM a\nRUN []', 2, 'RUN requires at least one argument'],
  [
    'FROM a\nCOPY a',
    2,
    'COPY requires at least two arguments, but only one was provided. Destination could not be determined',
  ],
  [
    'FROM a\nADD',
    2,
    'ADD requires at least two arguments, but only one was provided. Destination could not be determined',
  ],
  ['FROM a\nCOPY a <<EOF\nEOF', 2, 'COPY cannot accept a heredoc as a destination'],
  ['FROM a\nRUN <<EOF\na', 2, 'unterminated heredoc'],
  ['FROM a\nRUN <<-EOF\n  EOF', 2, 'unterminated heredoc'],
  ['FROM a\nENV', 2, 'ENV requires at least one argument'],
  ['FROM a\nENV A', 2, 'ENV must have two arguments'],
  ['FROM a\nENV =b', 2, 'ENV names can not be blank'],
  ['FROM a\nENV A=a b', 2, 'Syntax error - can\'t find = in "b". Must be of the form: name=value'],
  ['FROM a\nLABEL', 2, 'LABEL requires at least one argument'],
  ['FROM a\nLABEL x', 2, 'LABEL must have two arguments'],
  ['FROM a\nARG', 2, 'ARG requires at least one argument'],
  ['ARG =x', 1, 'ARG names can not be blank'],
  ['FROM a\nEXPOSE', 2, 'EXPOSE requires at least one argument'],
  ['FROM a\nVOLUME', 2, 'VOLUME requires at least one argument'],
  ['FROM a\nVOLUME [""]', 2, 'VOLUME specified can not be an empty string'],
  ['FROM a\nWORKDIR', 2, 'WORKDIR requires exactly one argument'],
  ['FROM a\nUSER', 2, 'USER requires exactly one argument'],
  ['FROM a\nSTOPSIGNAL', 2, 'STOPSIGNAL requires exactly one argument'],
  ['FROM a\nMAINTAINER', 2, 'MAINTAINER requires exactly one argument'],
  ['FROM a\nSHELL', 2, 'SHELL requires at least one argument'],
  ['FROM a\nSHELL []', 2, 'SHELL requires at least one argument'],
  ['FROM a\nSHELL sh -c', 2, 'SHELL requires the arguments to be in JSON form'],
  ['FROM a\nHEALTHCHECK', 2, 'HEALTHCHECK requires at least one argument'],
  ['FROM a\nHEALTHCHECK FOO x', 2, 'Unknown type "FOO" in HEALTHCHECK (try CMD)'],
  ['FROM a\nHEALTHCHECK NONE x', 2, 'HEALTHCHECK NONE takes no arguments'],
  ['FROM a\nHEALTHCHECK CMD', 2, 'Missing command after HEALTHCHECK CMD'],
  ['FROM a\nHEALTHCHECK CMD []', 2, 'Missing command after HEALTHCHECK CMD'],
  ['FROM a\nHEALTHCHECK --interval=1us CMD x', 2, 'Interval "interval" cannot be less than 1ms'],
  ['FROM a\nHEALTHCHECK --timeout=5 CMD x', 2, 'time: missing unit in duration "5"'],
  ['FROM a\nHEALTHCHECK --timeout=x CMD x', 2, 'time: invalid duration "x"'],
  ['FROM a\nHEALTHCHECK --timeout=5y CMD x', 2, 'time: unknown unit "y" in duration "5y"'],
  ['FROM a\nHEALTHCHECK --retries=-1 CMD x', 2, '--retries cannot be negative (-1)'],
  ['FROM a\nHEALTHCHECK --retries=x CMD x', 2, 'strconv.ParseInt: parsing "x": invalid syntax'],
  ['FROM a\nONBUILD', 2, 'ONBUILD requires at least one argument'],
  ['FROM a\nONBUILD ONBUILD RUN x', 2, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
  ['FROM a\nONBUILD FROM x', 2, "FROM isn't allowed as an ONBUILD trigger"],
  ['FROM a\nONBUILD maintainer x', 2, "MAINTAINER isn't allowed as an ONBUILD trigger"],
  ['FROM a\nONBUILD RNU x', 2, 'unknown instruction: RNU (did you mean RUN?)'],
  ['FROM a\nRUN --network=x a', 2, 'invalid network mode "x"'],
  ['FROM a\nRUN --security=x a', 2, 'security "x" is not valid'],
  [
    'FROM a\nRUN --mount=from=$x,target=/a b',
    2,
    "'from' doesn't support variable expansion, define alias stage instead",
  ],
  ['# escape=x\nFROM a', 1, "invalid escape token 'x' does not match ` or \\"],
  ['# escape=\\\n# ESCAPE = `\nFROM a', 2, 'only one escape parser directive can be used'],
  ['# syntax=a\n# syntax=b\nFROM a', 2, 'only one syntax parser directive can be used'],
  [`FROM a\nRUN ${'x'.repeat(65_532)}`, 2, 'dockerfile line greater than max allowed size of 65535'],
];

for (const [text, line, message] of faults) {
  test(`${JSON.stringify(text.slice(0, 60))} says: ${message}`, () => {
    assert.throws(
      () => parse(text),
      (error: unknown) => {
        assert(error instanceof BuildError);
        assert.equal(error.message, `dockerfile parse error on line ${line}: ${message}`);
        assert.equal(error.code, 'DOCKERFILE_SYNTAX');
        assert.equal(error.location?.startLine, line);
        assert.match(error.location.excerpt ?? '', />>>/);
        return true;
      },
    );
  });
}

const emptyFiles: readonly (readonly [text: string, message: string])[] = [
  ['', 'the Dockerfile cannot be empty'],
  ['\n\n', 'file with no instructions'],
  ['# only a comment', 'file with no instructions'],
  ['ARG A', 'dockerfile contains no stages to build'],
];

for (const [text, message] of emptyFiles) {
  test(`${JSON.stringify(text)} is no Dockerfile`, () => {
    assert.throws(() => parse(text), { code: 'DOCKERFILE_SYNTAX', message });
  });
}

test('a line of 65535 bytes is still read', () => {
  assert.equal(parse(`FROM a\nRUN ${'x'.repeat(65_531)}`).stages[0]?.instructions.length, 1);
});

test('directives stand before everything else; then they are comments', () => {
  const file = parse('#  syntax = docker/dockerfile:1 \n# check=skip=all\n#escape=`\nFROM a\nRUN a `\nb\nCOPY a\\ b');
  assert.equal(file.escape, '`');
  assert.deepEqual(file.directives, { syntax: 'docker/dockerfile:1', check: 'skip=all' });
  assert.deepEqual(file.stages[0]?.instructions.map(bare), [
    { kind: 'run', command: shell('a b') },
    { kind: 'copy', sources: ['a\\'], heredocs: [], destination: 'b' },
  ]);
  for (const before of ['# a comment', '', '# unknown=1', 'ARG X']) {
    assert.equal(parse(`${before}\n# escape=\`\nFROM a`).escape, '\\', before);
  }
});

test('comments directly above an instruction are kept for it', () => {
  const [a, b] = parse('# first\n# a the value\nARG a\n#\n# gone\n#\nARG b\nFROM x').globalArgs;
  assert.deepEqual(a?.comments, ['first', 'a the value']);
  assert.equal(b?.comments, undefined);
});

test('instructions know their lines and their text on one line', () => {
  const file = parse('FROM a\n\nRUN a \\\n  # c\n  b <<E\nbody\nE\nCMD x');
  const [run, cmd] = file.stages[0]?.instructions ?? [];
  assert.deepEqual([run?.location.startLine, run?.location.endLine, run?.text], [3, 7, 'RUN a   b <<E']);
  assert.deepEqual([cmd?.location.startLine, cmd?.location.endLine], [8, 8]);
  assert.equal(cmd?.location.file, 'Dockerfile');
});

test('a blank line within an instruction is warned of', () => {
  const { warnings } = parse('FROM a\nRUN a \\\n\n b');
  assert.deepEqual(
    warnings.map(({ message, location }) => [message, location.startLine]),
    [['NoEmptyContinuation: Empty continuation line', 2]],
  );
});

test("a base image's trigger is parsed and placed at the FROM that brings it in", () => {
  const location = { file: 'Dockerfile', startLine: 7, endLine: 7 };
  const trigger = parseTrigger('COPY <<E /x\nbody\nE', location);
  assert.deepEqual(bare(trigger), {
    kind: 'copy',
    sources: [],
    heredocs: [heredoc('E', 'body\n')],
    destination: '/x',
  });
  assert.equal(trigger.location, location);
  for (const [text, message] of [
    ['RUN a\nRUN b', 'onbuild trigger should be a single expression'],
    ['', 'onbuild trigger should be a single expression'],
    ['RNU a', 'unknown instruction: RNU (did you mean RUN?)'],
    ['FROM a', "FROM isn't allowed as an ONBUILD trigger"],
  ] as const) {
    const expected = { message: `dockerfile parse error on line 7: ${message}`, location };
    assert.throws(() => parseTrigger(text, location), expected);
  }
});

test('an ONBUILD trigger as stored is parsed to what was written', () => {
  for (const text of ['RUN <<-"E" x\n\ta\n\tE', 'ENV a="b c"', 'COPY --from=x a b']) {
    const [written] = parse(`FROM a\nONBUILD ${text}`).stages[0]?.instructions ?? [];
    assert(written?.kind === 'onbuild');
    assert.deepEqual(bare(parseTrigger(written.trigger, written.location)), bare(written.instruction));
  }
});

const WORDS = (
  'FROM|RUN|COPY|ENV|ONBUILD|HEALTHCHECK|ARG|a|b=c|\n|\n| |\\|\\\n|`|<<EOF|<<-"E F"|EOF|"|\'|#|["a"|]|,|--x|--mount=|=|$x|\r\n|\t|' +
  '\u00a0'
).split('|');

test('no text makes the parser fail with anything but an error for the user', () => {
  const word = fc.constantFrom(...WORDS);
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(word, { maxLength: 30 }).map((words) => words.join('')),
  );
  fc.assert(
    fc.property(text, (each) => {
      try {
        parse(each);
      } catch (error) {
        assert(error instanceof BuildError, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});
