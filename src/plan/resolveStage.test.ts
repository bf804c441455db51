import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BuildError } from '../errors.ts';
import { DEFAULT_PATH, resolveStage } from './resolveStage.ts';
import { parseDockerfile } from '../dockerfile/parseDockerfile.ts';
import { planStages } from './planStages.ts';
import type { ContainerConfig } from '../image/config.ts';
import type { ResolvedStage, Step } from './step.ts';

const PATH = `PATH=${DEFAULT_PATH}`;
const amd64 = { os: 'linux', architecture: 'amd64' };

interface Options {
  readonly base?: ContainerConfig;
  readonly author?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
}

/** Every stage of the file, each on what it stands on; the last one's result. */
function resolveAll(text: string, { base = {}, author, buildArgs = {} }: Options = {}): ResolvedStage {
  const dockerfile = parseDockerfile(text, { file: 'Dockerfile' });
  const plan = planStages(dockerfile, {
    buildArgs: new Map(Object.entries(buildArgs)),
    buildPlatform: amd64,
    targetPlatform: amd64,
  });
  const done = new Map<number, ResolvedStage>();
  for (const stage of plan.stages) {
    const parent = stage.base.kind === 'stage' ? done.get(stage.base.index) : undefined;
    const from = parent ?? { config: base, args: new Map<string, string>(), ...(author ? { author } : {}) };
    done.set(stage.index, resolveStage(stage, { base: from, dockerfile, scope: plan.scope }));
  }
  const last = done.get(plan.target);
  assert(last !== undefined);
  return last;
}

const resolve = (text: string, options?: Options): ResolvedStage => resolveAll(`FROM base\n${text}`, options);

type RunStep = Extract<Step, { kind: 'run' }>;
type CopyStep = Extract<Step, { kind: 'copy' | 'add' }>;

function lastRun(stage: ResolvedStage): RunStep {
  const step = stage.steps.at(-1);
  assert(step?.kind === 'run');
  return step;
}

function lastCopy(stage: ResolvedStage): CopyStep {
  const step = stage.steps.at(-1);
  assert(step?.kind === 'copy' || step?.kind === 'add');
  return step;
}

/** Without the search path, which is always there. */
function envOf(stage: ResolvedStage): string[] {
  return (stage.config.Env ?? []).filter((entry) => entry !== PATH);
}

const histories: readonly (readonly [text: string, createdBy: string, options?: Options])[] = [
  ['RUN echo hi', 'RUN /bin/sh -c echo hi # buildkit'],
  ['RUN', 'RUN /bin/sh -c  # buildkit'],
  ['RUN ["a", "b c"]', 'RUN a b c # buildkit'],
  ['SHELL ["/bin/bash", "-ec"]\nRUN x', 'RUN /bin/bash -ec x # buildkit'],
  ['ARG A=b\nRUN x', 'RUN |1 A=b /bin/sh -c x # buildkit'],
  ['ARG A=b C\nARG D\nRUN x', 'RUN |3 A=b C= D=1 /bin/sh -c x # buildkit', { buildArgs: { D: '1' } }],
  ['ARG A=b\nARG C\nARG A=d\nRUN x', 'RUN |2 A=d C= /bin/sh -c x # buildkit'],
  ['ARG A=b\nENV A=c\nRUN x', 'RUN |1 A=c /bin/sh -c x # buildkit'],
  ['ENV A=c\nARG A=b\nRUN x', 'RUN |1 A=b /bin/sh -c x # buildkit'],
  ['RUN x', 'RUN /bin/sh -c x # buildkit', { buildArgs: { http_proxy: 'p' } }],
  ['ARG http_proxy\nRUN x', 'RUN |1 http_proxy=p /bin/sh -c x # buildkit', { buildArgs: { http_proxy: 'p' } }],
  ['RUN <<E\na\nb\nE', 'RUN /bin/sh -c a\nb\n # buildkit'],
  ['RUN cat <<E >x\na\nE', 'RUN /bin/sh -c cat <<E >x\na\nE # buildkit'],
  ['RUN --mount=type=secret,id=s,env=S --network=none x', 'RUN /bin/sh -c x # buildkit'],
  ['COPY a b c/', 'COPY a b c/ # buildkit'],
  [
    'ENV U=1\nCOPY --from=img --link --chown=$U:2 --chmod=644 --parents --exclude=x a /b',
    'COPY --parents --chown=1:2 --chmod=644 a /b # buildkit',
  ],
  ['COPY <<a <<b /d/\na\nb', 'COPY <<a <<b /d/ # buildkit'],
  ['ADD --unpack=false a b', 'ADD a b # buildkit'],
  ['WORKDIR /x', 'WORKDIR /x'],
  ['WORKDIR /x/', 'WORKDIR /x/'],
  ['WORKDIR /x\nWORKDIR y', 'WORKDIR /x/y'],
  ['ENV A=b C="d e"', 'ENV A=b C=d e'],
  ['ENV A b', 'ENV A=b'],
  ['ARG A', 'ARG A'],
  ['ARG A B=c D="e f"', 'ARG A B=c D=e f'],
  ['LABEL a=b c="d e"', 'LABEL a=b c=d e'],
  ['CMD ["a", "b"]', 'CMD ["a" "b"]'],
  ['CMD []', 'CMD []'],
  ['CMD say "hi"', 'CMD ["/bin/sh" "-c" "say \\"hi\\""]'],
  ['ENTRYPOINT x', 'ENTRYPOINT ["/bin/sh" "-c" "x"]'],
  ['ENTRYPOINT []', 'ENTRYPOINT []'],
  ['EXPOSE 80 90-91/udp', 'EXPOSE [80/tcp 90/udp 91/udp]'],
  ['VOLUME /a /b', 'VOLUME [/a /b]'],
  ['USER a', 'USER a'],
  ['STOPSIGNAL SIGINT', 'STOPSIGNAL SIGINT'],
  ['SHELL ["a", "b"]', 'SHELL [a b]'],
  ['MAINTAINER me', 'MAINTAINER me'],
  [
    'HEALTHCHECK --interval=5s --start-interval=100ms --retries=2 CMD curl x',
    'HEALTHCHECK {Test:[CMD-SHELL curl x] Interval:5s Timeout:0s StartPeriod:0s StartInterval:100ms Retries:2}',
  ],
  ['HEALTHCHECK NONE', 'HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}'],
  ['ONBUILD RUN x', ''],
];

for (const [text, createdBy, options] of histories) {
  test(`the history of ${JSON.stringify(text)} is what BuildKit writes`, () => {
    assert.equal(resolve(text, options).steps.at(-1)?.createdBy, createdBy);
  });
}

const configs: readonly (readonly [text: string, config: ContainerConfig, options?: Options])[] = [
  ['USER a', { User: 'a' }],
  ['ENV U=a\nUSER $U:${G:-b}', { User: 'a:b', Env: [PATH, 'U=a'] }],
  ['ENV A=1\nENV A=2 B=$A', { Env: [PATH, 'A=2', 'B=1'] }],
  ['ENV PATH=$PATH:/x', { Env: [`${PATH}:/x`] }],
  ['ENV B=1', { Env: ['A=0', PATH, 'B=1'] }, { base: { Env: ['A=0', PATH] } }],
  ['ENV B=1', { Env: ['A=0', PATH, 'B=1'] }, { base: { Env: ['A=0'] } }],
  ['ENV A=$B', { Env: [PATH, 'A='] }],
  ['ENV A=\'$B\' C=\\$B D="a b"', { Env: [PATH, 'A=$B', 'C=$B', 'D=a b'] }],
  ['ENV A b  "c"', { Env: [PATH, 'A=b  c'] }],
  ['ARG A=1\nENV B=$A', { Env: [PATH, 'B=1'] }],
  ['ARG A=1\nENV A=2\nLABEL l=$A', { Env: [PATH, 'A=2'], Labels: { l: '2' } }],
  ['ENV A=2\nARG A=1\nLABEL l=$A', { Env: [PATH, 'A=2'], Labels: { l: '1' } }],
  ['LABEL a=1 b=$X "c d"=e', { Labels: { z: '0', a: '1', b: '', 'c d': 'e' } }, { base: { Labels: { z: '0' } } }],
  ['LABEL __proto__=a', { Labels: JSON.parse('{"__proto__": "a"}') as Record<string, string> }],
  ['WORKDIR /tmp/', { WorkingDir: '/tmp/' }],
  ['WORKDIR a\nWORKDIR b/', { WorkingDir: '/a/b' }],
  ['WORKDIR ../b', { WorkingDir: '/b' }, { base: { WorkingDir: '/a' } }],
  ['WORKDIR "/a b"', { WorkingDir: '/a b' }],
  ['EXPOSE 80/TCP 53/udp', { ExposedPorts: { '53/udp': {}, '80/tcp': {} } }],
  ['ENV P="80 81"\nEXPOSE $P', { Env: [PATH, 'P=80 81'], ExposedPorts: { '80/tcp': {}, '81/tcp': {} } }],
  ['EXPOSE 9', { ExposedPorts: { '8/tcp': {}, '9/tcp': {} } }, { base: { ExposedPorts: { '8/tcp': {} } } }],
  ['EXPOSE 127.0.0.1:80:8080', { ExposedPorts: { '8080/tcp': {} } }],
  ['EXPOSE [::1]:80:8080/sctp', { ExposedPorts: { '8080/sctp': {} } }],
  ['VOLUME /a /b', { Volumes: { '/a': {}, '/b': {} } }],
  ['STOPSIGNAL 9', { StopSignal: '9' }],
  ['STOPSIGNAL rtmin+3', { StopSignal: 'rtmin+3' }],
  ['SHELL ["a", "b"]', { Shell: ['a', 'b'] }],
  ['CMD a', { Cmd: ['/bin/sh', '-c', 'a'], ArgsEscaped: true }],
  ['CMD a', { Cmd: ['s', 'a'], ArgsEscaped: true, Shell: ['s'] }, { base: { Shell: ['s'] } }],
  ['CMD []', { ArgsEscaped: true }, { base: { Cmd: ['a'] } }],
  ['ENTRYPOINT ["a"]', { Entrypoint: ['a'] }, { base: { Cmd: ['b'] } }],
  ['CMD ["c"]\nENTRYPOINT ["a"]', { Entrypoint: ['a'], Cmd: ['c'], ArgsEscaped: true }, { base: { Cmd: ['b'] } }],
  ['ENTRYPOINT []', {}, { base: { Entrypoint: ['a'], Cmd: ['b'] } }],
  ['HEALTHCHECK NONE', { Healthcheck: { Test: ['NONE'] } }, { base: { Healthcheck: { Retries: 3 } } }],
  ['HEALTHCHECK --timeout=1m CMD ["a"]', { Healthcheck: { Test: ['CMD', 'a'], Timeout: 6e10 } }],
  ['ONBUILD RUN <<E\na\nE', { OnBuild: ['RUN <<E\na\nE'] }, { base: { OnBuild: ['RUN gone'] } }],
  ['USER a', { User: 'a', StopSignal: 'x' }, { base: { StopSignal: 'x', OnBuild: ['RUN gone'] } }],
];

for (const [text, config, options] of configs) {
  test(`the configuration after ${JSON.stringify(text)}`, () => {
    assert.deepEqual(resolve(text, options).config, { Env: [PATH], ...config });
  });
}

const faults: readonly (readonly [text: string, message: string, code?: string])[] = [
  ['ENV A="${B:?no B}"', 'failed to process "\\"${B:?no B}\\"": B: no B', 'DOCKERFILE_EXPANSION'],
  ['ENV A=${B', 'failed to process "${B": syntax error: missing \'}\'', 'DOCKERFILE_EXPANSION'],
  ['EXPOSE x', 'invalid containerPort: x'],
  ['EXPOSE 80/http', 'invalid proto: http'],
  ['EXPOSE 70000', 'invalid containerPort: 70000'],
  ['EXPOSE 9-8', 'invalid containerPort: 9-8'],
  ['EXPOSE /tcp', 'no port specified: /tcp<empty>'],
  ['EXPOSE a:80:80', 'invalid IP address: a'],
  ['EXPOSE x:80', 'invalid hostPort: x'],
  ['EXPOSE 1-2:3-5', 'invalid ranges specified for container and host Ports: 3-5 and 1-2'],
  ['VOLUME $X', 'VOLUME specified can not be an empty string'],
  ['STOPSIGNAL FOO', 'invalid signal: FOO'],
  ['STOPSIGNAL 0', 'invalid signal: 0'],
  ['COPY --chmod=9 a b', "invalid chmod parameter: '9'. it should be octal string and between 0 and 07777"],
  ['COPY --chmod=17777 a b', "invalid chmod parameter: '17777'. it should be octal string and between 0 and 07777"],
  ['COPY --chmod=u~w a b', "invalid chmod parameter: 'u~w'. it should be octal string and between 0 and 07777"],
  ['COPY https://x.y/z b', "source can't be a URL for COPY"],
  ['COPY https://x.y/z.git b', "source can't be a git ref for COPY"],
  ['COPY git@x.y:z b', "source can't be a git ref for COPY"],
  ['ADD --checksum=x a b', 'checksum requires HTTP(S) or Git sources'],
  ['ADD --checksum=x a b c', "checksum can't be specified for multiple sources"],
  ['ADD --checksum=x https://x.y/z b', 'invalid checksum digest format'],
  ['ADD --checksum=md5:ab https://x.y/z b', 'unsupported digest algorithm'],
  ['ADD --checksum=sha256:ab https://x.y/z b', 'invalid checksum digest length'],
  [
    'ADD https://x.y/z.git#main b',
    'ADD from a git repository is not supported: https://x.y/z.git#main',
    'INSTRUCTION_UNSUPPORTED',
  ],
  ['COPY <<a/b /x\na/b', 'heredoc a/b cannot name a file'],
  ['RUN --security=insecure x', 'RUN --security=insecure is not allowed', 'INSTRUCTION_UNSUPPORTED'],
  ['RUN --device=gpu x', 'RUN --device is not supported', 'INSTRUCTION_UNSUPPORTED'],
  ['RUN --mount=tgt=/x x', "unexpected key 'tgt' in 'tgt=/x' (did you mean target?)"],
];

for (const [text, message, code = 'INSTRUCTION_INVALID'] of faults) {
  test(`${JSON.stringify(text)} says: ${message}`, () => {
    assert.throws(
      () => resolve(`\n${text}`),
      (error: unknown) => {
        assert(error instanceof BuildError);
        assert.deepEqual([error.code, error.message, error.location?.startLine], [code, message, 3]);
        return true;
      },
    );
  });
}

test('RUN sees ENV and ARG, the last writer of a name first, and the environment of the base', () => {
  const text = 'ENV A=env B=env\nARG A=arg\nARG C=arg D\nENV C=env\nARG BUILDKIT_SBOM_SCAN_STAGE=1\nRUN x';
  const run = lastRun(resolve(text, { base: { Env: ['Z=base'] } }));
  assert.deepEqual(run.env, ['Z=base', PATH, 'A=arg', 'B=env', 'C=env']);
  assert.equal(run.uncachedEnv, undefined);
});

test('proxies given as build arguments reach RUN in both cases, marked for the cache, unless the file sets them', () => {
  const buildArgs = { http_proxy: 'p', No_Proxy: 'n', HTTPS_PROXY: 's', ftp_proxy: '' };
  const run = lastRun(resolve('ENV https_proxy=mine\nRUN x', { buildArgs }));
  const proxies = ['HTTP_PROXY=p', 'http_proxy=p', 'HTTPS_PROXY=s', 'NO_PROXY=n', 'no_proxy=n'];
  assert.deepEqual(run.env, [PATH, 'https_proxy=mine', ...proxies]);
  assert.deepEqual(run.uncachedEnv, proxies);
});

const args: readonly (readonly [text: string, label: string, buildArgs?: Record<string, string>])[] = [
  ['ARG A=1\nFROM x\nLABEL l=$A', ''],
  ['ARG A=1\nFROM x\nARG A\nLABEL l=$A', '1'],
  ['ARG A=1\nFROM x\nARG A=2\nLABEL l=$A', '2'],
  ['ARG A=1\nFROM x\nARG A\nLABEL l=$A', '3', { A: '3' }],
  ['ARG A=1\nFROM x\nARG A=2\nLABEL l=$A', '3', { A: '3' }],
  ['FROM x\nARG A=2\nLABEL l=$A', '', { A: '' }],
  ['FROM x\nLABEL l=$A', '', { A: '3' }],
  ['FROM x\nARG A=1\nARG B=$A.$A\nLABEL l=$B', '1.1'],
  ['FROM x\nARG A=1 B=$A\nLABEL l=$B', '1'],
  ['FROM x\nARG A="a b"\nLABEL l=$A', 'a b'],
  ['FROM x\nARG TARGETARCH BUILDPLATFORM\nLABEL l=$TARGETARCH-$BUILDPLATFORM', 'amd64-linux/amd64'],
  ['FROM x\nLABEL l=$TARGETARCH', ''],
  ['FROM x\nARG TARGETARCH=none\nLABEL l=$TARGETARCH', 'none'],
  ['FROM x\nARG TARGETSTAGE\nLABEL l=$TARGETSTAGE', 'default'],
  ['FROM x AS a\nARG A=1\nFROM a\nLABEL l=$A', '1'],
  ['FROM x AS a\nARG A=1\nFROM a\nARG A\nLABEL l=$A', '1'],
  ['FROM x AS a\nARG A=1\nFROM y\nLABEL l=$A', ''],
  ['FROM x AS a\nENV A=env\nARG A=1\nFROM a\nLABEL l=$A', 'env'],
  ['FROM x AS a\nARG A=1\nENV A=env\nFROM a\nLABEL l=$A', 'env'],
  ['FROM x AS a\nARG A=1\nFROM a AS b\nARG A\nFROM b\nLABEL l=$A', '1'],
];

for (const [text, label, buildArgs] of args) {
  test(`${JSON.stringify(text)} with ${JSON.stringify(buildArgs ?? {})} gives ${JSON.stringify(label)}`, () => {
    const { config } = resolveAll(text, buildArgs === undefined ? {} : { buildArgs });
    assert.equal(config.Labels?.['l'], label);
  });
}

test('arguments of the stage below are part of the history', () => {
  const stage = resolveAll('FROM x AS a\nARG A=1\nFROM a\nARG B=2\nRUN x');
  assert.equal(lastRun(stage).createdBy, 'RUN |2 A=1 B=2 /bin/sh -c x # buildkit');
  assert.deepEqual(
    [...stage.args],
    [
      ['A', '1'],
      ['B', '2'],
    ],
  );
});

const commands: readonly (readonly [text: string, argv: string[], script?: object])[] = [
  ['RUN echo $A "b"', ['/bin/sh', '-c', 'echo $A "b"']],
  ['RUN ["a", "$b"]', ['a', '$b']],
  ['RUN <<E\nset -e\necho $A\nE', ['/bin/sh', '-c', 'set -e\necho $A\n']],
  ['RUN <<-E\n\ta\n\tE', ['/bin/sh', '-c', 'a\n']],
  [
    'RUN <<E\n#!/usr/bin/env python3\nprint(1)\nE',
    ['/bin/sh', '-c', '/dev/pipes/E'],
    { path: '/dev/pipes/E', content: '#!/usr/bin/env python3\nprint(1)\n' },
  ],
  ['RUN <<A cat <<B\n1\nA\n2\nB', ['/bin/sh', '-c', '<<A cat <<B\n1\nA\n2\nB']],
  ['RUN sh <<-"E"\n\ta\n\tE', ['/bin/sh', '-c', 'sh <<-"E"\n\ta\nE']],
  ['SHELL ["py", "-c"]\nRUN <<E\nprint(1)\nE', ['py', '-c', 'print(1)\n']],
];

for (const [text, argv, script] of commands) {
  test(`${JSON.stringify(text)} executes ${JSON.stringify(argv)}`, () => {
    const run = lastRun(resolve(text));
    assert.deepEqual(run.argv, argv);
    assert.deepEqual(run.script, script);
  });
}

test('RUN has the user, directory, network and mounts that are in force', () => {
  const run = lastRun(
    resolve('USER u:g\nWORKDIR /a/./b/\nARG ID=x\nRUN --network=host --mount=type=cache,target=c,id=$ID x'),
  );
  assert.deepEqual([run.user, run.workingDirectory, run.network], ['u:g', '/a/b', 'host']);
  assert.deepEqual(
    run.mounts.map((mount) => ('id' in mount ? [mount.id, mount.target] : [])),
    [['x', '/a/b/c']],
  );
  const plain = lastRun(resolve('RUN x'));
  assert.deepEqual([plain.user, plain.workingDirectory, plain.network, plain.mounts], ['', '/', 'default', []]);
});

const copies: readonly (readonly [text: string, step: object])[] = [
  ['COPY a b /d', { sources: ['a', 'b'].map(pathSource), destination: '/d', from: { kind: 'context' } }],
  ['COPY a .', { destination: '/w/' }],
  ['COPY a ./', { destination: '/w/' }],
  ['COPY a d/.', { destination: '/w/d/' }],
  ['COPY a d', { destination: '/w/d' }],
  ['COPY a ../d/', { destination: '/d/' }],
  ['COPY a /', { destination: '/' }],
  ['COPY a /x//y/../z', { destination: '/x/z' }],
  ['ENV A="x y" B=\'*.txt\'\nCOPY $A $B /$A/', { sources: ['x y', '*.txt'].map(pathSource), destination: '/x y/' }],
  ['COPY ["a b", "$X", "/d"]', { sources: ['a b', ''].map(pathSource) }],
  ['COPY "a" \'c\' /d', { sources: ['a', 'c'].map(pathSource) }],
  ['COPY --from=img a b', { from: { kind: 'image', reference: 'img' } }],
  ['COPY --chown=u:g --chmod=u=rwX,go=rX a b', { chown: 'u:g', chmod: 'u=rwX,go=rX' }],
  ['ENV U=1\nCOPY --chown=$U --chmod=${M:-755} a b', { chown: '1', chmod: '755' }],
  ['COPY --link --parents --exclude=*.o --exclude=b a d/', { link: true, parents: true, exclude: ['*.o', 'b'] }],
  ['COPY --link=false a d/', { link: false, parents: false, exclude: [] }],
  ['ADD --unpack a d/', { unpack: true }],
  ['ADD --unpack=false a d/', { unpack: false }],
  ['ADD https://x.y/z?a=.git /d/', { sources: [{ kind: 'url', url: 'https://x.y/z?a=.git' }] }],
  [
    `ADD --checksum=sha256:${'a'.repeat(64)} http://x.y/z /d/`,
    { sources: [{ kind: 'url', url: 'http://x.y/z' }], checksum: `sha256:${'a'.repeat(64)}` },
  ],
  [
    'ENV A=1\nCOPY <<a.txt <<"b" /d/\n"$A" \\$A\na.txt\n$A\nb',
    {
      sources: [
        { kind: 'inline', name: 'a.txt', content: '"1" $A\n' },
        { kind: 'inline', name: 'b', content: '$A\n' },
      ],
    },
  ],
];

function pathSource(path: string): object {
  return { kind: 'path', path };
}

for (const [text, expected] of copies) {
  test(`${JSON.stringify(text)} copies as it says`, () => {
    const step = lastCopy(resolve(`WORKDIR /w\n${text}`));
    assert.deepEqual({ ...step, ...expected }, step);
  });
}

test('COPY without flags leaves owner, mode and unpacking to the defaults', () => {
  const step = lastCopy(resolve('USER 66\nCOPY a b'));
  assert.deepEqual([step.chown, step.chmod, step.checksum, step.unpack], [undefined, undefined, undefined, undefined]);
});

test('COPY --from finds a stage by name in any case and by number', () => {
  for (const from of ['tools', 'TOOLS', '0']) {
    const stage = resolveAll(`FROM x AS Tools\nFROM y\nCOPY --from=${from} a b`);
    assert.deepEqual(lastCopy(stage).from, { kind: 'stage', index: 0 });
  }
});

test('WORKDIR makes a directory for the current user, but not the root', () => {
  const { steps } = resolve('USER me\nWORKDIR /a/b/\nWORKDIR /');
  const made = steps.map((step) => (step.kind === 'workdir' ? [step.path, step.user] : step.kind));
  assert.deepEqual(made, ['metadata', ['/a/b', 'me'], 'metadata']);
});

test('MAINTAINER sets the author, which a stage takes from the one below', () => {
  assert.equal(resolve('MAINTAINER me <a@b>').author, 'me <a@b>');
  assert.equal(resolve('USER x', { author: 'them' }).author, 'them');
  assert.equal(resolveAll('FROM x AS a\nMAINTAINER me\nFROM a').author, 'me');
});

test('a step holds the configuration after it, and no later one', () => {
  const { steps } = resolve('ENV A=1\nENV A=2');
  assert.deepEqual(
    steps.map(({ config }) => config.Env?.at(-1)),
    ['A=1', 'A=2'],
  );
});

test("triggers of the stage below run right after FROM, and its list doesn't come along", () => {
  const stage = resolveAll('FROM x AS a\nONBUILD ENV A=$B\nENV B=1\nFROM a\nENV C=$A');
  assert.deepEqual(
    stage.steps.map(({ display }) => display),
    ['ONBUILD ENV A=1', 'ENV C=1'],
  );
  assert.deepEqual(envOf(stage), ['B=1', 'A=1', 'C=1']);
  assert.equal(stage.config.OnBuild, undefined);
});

const displays: readonly (readonly [text: string, display: string, buildArgs?: Record<string, string>])[] = [
  ['run echo  a', 'RUN echo  a'],
  ['ENV A=1\nRUN echo $A ${A} "$A" \'$A\' $B \\$A', 'RUN echo 1 1 "1" \'$A\' $B \\$A'],
  ['RUN echo ${x', 'RUN echo ${x'],
  ['ARG API_TOKEN\nRUN login $API_TOKEN', 'RUN login $API_TOKEN', { API_TOKEN: 'hunter2' }],
  ['ARG API_TOKEN\nENV A=x$API_TOKEN', 'ENV A=x$API_TOKEN', { API_TOKEN: 'hunter2' }],
  ['ARG API_TOKEN\nENV A=x$API_TOKEN\nRUN $A', 'RUN $A', { API_TOKEN: 'hunter2' }],
  ['ENV S=1\nRUN --mount=type=secret,id=a,env=S echo $S', 'RUN --mount=type=secret,id=a,env=S echo ****'],
  ['RUN <<E\none\ntwo\nE', 'RUN <<E (one...)'],
  ['RUN <<E\none\nE', 'RUN <<E (one)'],
  ['ENV A=1\nCOPY a$A /b', 'COPY a1 /b'],
];

for (const [text, display, buildArgs] of displays) {
  test(`the log shows ${JSON.stringify(text)} as ${display}`, () => {
    assert.equal(resolve(text, buildArgs === undefined ? {} : { buildArgs }).steps.at(-1)?.display, display);
  });
}

const warnings: readonly (readonly [text: string, messages: string[]])[] = [
  ['ENV A=$NOPE', ["UndefinedVar: Usage of undefined variable '$NOPE'"]],
  ['ENV NAME=1\nENV A=$NAMES', ["UndefinedVar: Usage of undefined variable '$NAMES' (did you mean $NAME?)"]],
  ['ARG A\nENV B=$A', []],
  ['ENV A=${B:-x} C=${B+x}', []],
  ['ENV A=$PATH', []],
  ['RUN echo $NOPE', []],
  ['COPY <<E /x\n$NOPE\nE', ["UndefinedVar: Usage of undefined variable '$NOPE'"]],
  ['ARG API_KEY', ['SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "API_KEY")']],
  [
    'ENV password=x TOKEN_FILE=y',
    ['SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "password")'],
  ],
];

for (const [text, messages] of warnings) {
  test(`${JSON.stringify(text)} warns ${messages.length} times`, () => {
    assert.deepEqual(
      resolve(text).warnings.map(({ message }) => message),
      messages,
    );
  });
}
