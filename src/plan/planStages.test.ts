import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BuildError } from '../errors.ts';
import { parseDockerfile, parseTrigger } from '../dockerfile/parseDockerfile.ts';
import { planStages } from './planStages.ts';
import type { Platform } from '../image/platform.ts';
import type { PlannedBuild, PlanOptions } from './planStages.ts';

const amd64: Platform = { os: 'linux', architecture: 'amd64' };
const armv7: Platform = { os: 'linux', architecture: 'arm', variant: 'v7' };

type Options = Partial<Omit<PlanOptions, 'buildArgs'>> & { readonly buildArgs?: Readonly<Record<string, string>> };

function plan(text: string, { buildArgs, ...options }: Options = {}): PlannedBuild {
  return planStages(parseDockerfile(text, { file: 'Dockerfile' }), {
    buildPlatform: amd64,
    targetPlatform: amd64,
    buildArgs: new Map(Object.entries(buildArgs ?? {})),
    ...options,
  });
}

const indexes = ({ stages }: PlannedBuild): number[] => stages.map(({ index }) => index);

const bases: readonly (readonly [text: string, base: object, buildArgs?: Record<string, string>])[] = [
  ['FROM a', { kind: 'image', reference: 'a' }],
  ['FROM scratch', { kind: 'scratch' }],
  ['ARG T=1\nFROM a:$T', { kind: 'image', reference: 'a:1' }],
  ['ARG T=1\nFROM a:$T', { kind: 'image', reference: 'a:2' }, { T: '2' }],
  ['ARG T\nFROM a${T:+:$T}', { kind: 'image', reference: 'a' }],
  ['ARG T=1\nFROM a:$T', { kind: 'image', reference: 'a:' }, { T: '' }],
  ['ARG A=1 B=$A.2\nARG C=$B.3\nFROM a:$C', { kind: 'image', reference: 'a:1.2.3' }],
  ['ARG A=1 B=$A.2\nFROM a:$B', { kind: 'image', reference: 'a:9.2' }, { A: '9' }],
  ['FROM a:${T:-x}', { kind: 'image', reference: 'a:x' }, { T: 'not declared' }],
  ['FROM "a:1"', { kind: 'image', reference: 'a:1' }],
  ['FROM --platform=linux/arm/v7 a', { kind: 'image', reference: 'a', platform: armv7 }],
  ['FROM --platform=$BUILDPLATFORM a', { kind: 'image', reference: 'a', platform: amd64 }],
  [
    'ARG P=arm64\nFROM --platform=$P a',
    {
      kind: 'image',
      reference: 'a',
      platform: { os: 'linux', architecture: 'arm64' },
    },
  ],
  ['FROM a-$TARGETARCH$TARGETVARIANT', { kind: 'image', reference: 'a-amd64' }],
  ['FROM a:$TARGETSTAGE', { kind: 'image', reference: 'a:default' }],
  ['FROM a:$TARGETSTAGE AS last', { kind: 'image', reference: 'a:last' }],
  ['FROM x AS b\nFROM b', { kind: 'stage', index: 0 }],
  ['FROM x AS Build\nFROM BUILD', { kind: 'stage', index: 0 }],
  ['ARG S=b\nFROM x AS b\nFROM $S', { kind: 'stage', index: 0 }],
  ['FROM x AS b\nFROM y AS b\nFROM b', { kind: 'stage', index: 1 }],
  ['FROM x AS b\nFROM b AS b', { kind: 'stage', index: 0 }],
  ['FROM later AS first\nFROM x AS later\nFROM first', { kind: 'stage', index: 0 }],
  ['FROM self AS self', { kind: 'image', reference: 'self' }],
  ['FROM x\nFROM 0', { kind: 'image', reference: '0' }],
];

for (const [text, base, buildArgs] of bases) {
  test(`the last stage of ${JSON.stringify(text)} stands on ${JSON.stringify(base)}`, () => {
    assert.deepEqual(plan(text, buildArgs === undefined ? {} : { buildArgs }).stages.at(-1)?.base, base);
  });
}

test('a base that is named only later is an image', () => {
  const { stages } = plan('FROM later AS first\nFROM x AS later\nFROM first');
  assert.deepEqual(stages[0]?.base, { kind: 'image', reference: 'later' });
});

const ABC = 'FROM x AS a\nFROM x AS b\nCOPY --from=a / /\nFROM x AS c';

const needs: readonly (readonly [text: string, target: string | undefined, needed: number[]])[] = [
  [ABC, undefined, [2]],
  [ABC, '', [2]],
  [ABC, 'b', [0, 1]],
  [ABC, 'B', [0, 1]],
  [ABC, 'a', [0]],
  [ABC, '0', [0]],
  [ABC, '1', [0, 1]],
  ['FROM x\nFROM x\nCOPY --from=0 / /', undefined, [0, 1]],
  ['FROM x AS a\nFROM a AS b\nFROM b', undefined, [0, 1, 2]],
  ['FROM x AS a\nFROM x\nRUN --mount=type=bind,from=a,target=/m true', undefined, [0, 1]],
  ['FROM x AS a\nFROM x\nRUN --mount=type=cache,from=A,target=/m true', undefined, [0, 1]],
  ['FROM x AS a\nFROM x\nRUN --mount=type=tmpfs,from=a,target=/m true', undefined, [1]],
  ['FROM x AS a\nFROM x\nRUN --mount=from=busybox,target=/m true', undefined, [1]],
  ['FROM x AS a\nFROM x\nCOPY --from=busybox / /', undefined, [1]],
  ['FROM x AS a\nFROM x\nCOPY a b', undefined, [1]],
  ['FROM x AS a\nFROM x AS p\nONBUILD COPY --from=a / /\nFROM p', undefined, [0, 1, 2]],
  ['FROM x AS a\nFROM x AS p\nONBUILD COPY --from=a / /', undefined, [1]],
];

for (const [text, target, needed] of needs) {
  test(`${JSON.stringify(text)} with target ${target ?? 'none'} needs the stages ${needed.join()}`, () => {
    assert.deepEqual(indexes(plan(text, target === undefined ? {} : { target })), needed);
  });
}

test('a stage knows its number, name, instructions and what it reads', () => {
  const built = plan('FROM x AS A\nFROM y AS unused\nFROM a AS Main\nCOPY --from=0 / /\nRUN true');
  const stage = built.stages.at(-1);
  assert.equal(built.target, 2);
  assert.deepEqual([stage?.index, stage?.name, stage?.instructions.length], [2, 'main', 2]);
  assert.deepEqual([...(stage?.dependencies ?? [])], [0]);
});

const faults: readonly (readonly [
  text: string,
  code: string,
  message: string,
  line: number | undefined,
  options?: Options,
])[] = [
  [
    'FROM x AS build',
    'STAGE_NOT_FOUND',
    'target stage "bulid" could not be found (did you mean build?)',
    undefined,
    { target: 'bulid' },
  ],
  ['FROM x', 'STAGE_NOT_FOUND', 'target stage "9" could not be found', undefined, { target: '9' }],
  ['FROM $X', 'DOCKERFILE_SYNTAX', 'base name ($X) should not be blank', 1],
  ['FROM ${X:?none}', 'DOCKERFILE_EXPANSION', 'failed to process "${X:?none}": X: none', 1],
  ['FROM ${X?}', 'DOCKERFILE_EXPANSION', 'failed to process "${X?}": X: is not allowed to be unset', 1],
  ['ARG A=${B\nFROM x', 'DOCKERFILE_EXPANSION', 'failed to process "${B": syntax error: missing \'}\'', 1],
  ['FROM --platform=$P x', 'PLATFORM_INVALID', 'empty platform value from expression $P', 1],
  [
    'FROM --platform=$TARGETPLATFRM x',
    'PLATFORM_INVALID',
    'empty platform value from expression $TARGETPLATFRM (did you mean TARGETPLATFORM?)',
    1,
  ],
  [
    'FROM x AS a\nCOPY --from=b / /\nFROM x AS b\nFROM a',
    'STAGE_ORDER',
    'cannot copy from stage "b", it needs to be defined before current stage "a"',
    2,
  ],
  [
    'FROM x\nCOPY --from=1 / /\nFROM x\nFROM x\nCOPY --from=0 / /',
    'STAGE_ORDER',
    'cannot copy from stage "1", it needs to be defined before current stage "stage-0"',
    2,
  ],
  [
    'FROM x AS a\nRUN --mount=from=b,dst=/m x\nFROM x AS b\nFROM a',
    'STAGE_ORDER',
    'cannot mount from stage "b" to "/m", stage needs to be defined before current command',
    2,
  ],
  ['FROM x AS a\nCOPY --from=a / /', 'STAGE_CYCLE', 'circular dependency detected on stage: a', 2],
  ['FROM x\nCOPY --from=0 / /', 'STAGE_CYCLE', 'circular dependency detected on stage: stage-0', 2],
  [
    'FROM x AS a\nCOPY --from=b / /\nFROM x AS b\nCOPY --from=a / /\nFROM x',
    'STAGE_CYCLE',
    'circular dependency detected on stage: a',
    4,
  ],
  ['FROM x\nCOPY --from=1 / /', 'STAGE_NOT_FOUND', 'invalid stage index 1', 2],
  ['FROM x\nCOPY --from=-1 / /', 'STAGE_NOT_FOUND', 'invalid stage index -1', 2],
  [
    'FROM x\nCOPY --from=$X / /\nFROM x',
    'DOCKERFILE_SYNTAX',
    'variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround',
    2,
  ],
];

for (const [text, code, message, line, options] of faults) {
  test(`${JSON.stringify(text)} says: ${message}`, () => {
    assert.throws(
      () => plan(text, options),
      (error: unknown) => {
        assert(error instanceof BuildError);
        assert.deepEqual([error.code, error.message, error.location?.startLine], [code, message, line]);
        return true;
      },
    );
  });
}

test('a stage that the target does not need may copy from a later one', () => {
  assert.deepEqual(indexes(plan('FROM x AS a\nCOPY --from=b / /\nFROM x AS b')), [1]);
});

test("a base image's triggers can need further stages", () => {
  const text = 'FROM x AS tools\nFROM base';
  const location = { file: 'Dockerfile', startLine: 2, endLine: 2 };
  const trigger = parseTrigger('COPY --from=tools / /', location);
  assert.deepEqual(indexes(plan(text)), [1]);
  const again = plan(text, { onbuild: new Map([[1, [trigger]]]) });
  assert.deepEqual(indexes(again), [0, 1]);
  assert.deepEqual(again.stages.at(-1)?.onbuild, [trigger]);
});

test('a stage runs the triggers of the stage it stands on, not those of the one below that', () => {
  const { stages } = plan('FROM x AS a\nONBUILD RUN one\nFROM a AS b\nONBUILD RUN two\nFROM b');
  const texts = stages.map(({ onbuild }) => onbuild?.map(({ text }) => text));
  assert.deepEqual(texts, [undefined, ['RUN one'], ['RUN two']]);
});

const warnings: readonly (readonly [text: string, messages: string[], buildArgs?: Record<string, string>])[] = [
  ['FROM x', ['[Warning] One or more build-args [A B] were not consumed'], { A: '1', B: '2' }],
  ['ARG A\nFROM x\nARG B=1', [], { A: '1', B: '2' }],
  ['FROM x\nONBUILD ARG A', [], { A: '1' }],
  ['FROM x', [], { http_proxy: 'p', NO_PROXY: 'p', BUILDKIT_INLINE_CACHE: '1', SOURCE_DATE_EPOCH: '0', TARGETOS: 'l' }],
  ['ARG TAG=1\nFROM x$TAGG', ["UndefinedArgInFrom: FROM argument 'TAGG' is not declared (did you mean TAG?)"]],
  ['ARG TAG\nFROM x$TAG', []],
  ['FROM x AS a\nFROM y AS A', ['DuplicateStageName: Duplicate stage name "a", stage names should be unique']],
];

for (const [text, messages, buildArgs] of warnings) {
  test(`${JSON.stringify(text)} with ${JSON.stringify(buildArgs ?? {})} warns ${messages.length} times`, () => {
    const built = plan(text, buildArgs === undefined ? {} : { buildArgs });
    assert.deepEqual(
      built.warnings.map(({ message }) => message),
      messages,
    );
  });
}

test('global scope holds the platforms, a build argument before them', () => {
  const { scope } = plan('FROM x AS final', {
    targetPlatform: armv7,
    buildArgs: { TARGETOSVERSION: '10', TARGETVARIANT: 'v6' },
  });
  assert.deepEqual(Object.fromEntries(scope.globals), {
    BUILDPLATFORM: 'linux/amd64',
    BUILDOS: 'linux',
    BUILDOSVERSION: '',
    BUILDARCH: 'amd64',
    BUILDVARIANT: '',
    TARGETPLATFORM: 'linux/arm/v7',
    TARGETOS: 'linux',
    TARGETOSVERSION: '10',
    TARGETARCH: 'arm',
    TARGETVARIANT: 'v6',
    TARGETSTAGE: 'final',
  });
});
