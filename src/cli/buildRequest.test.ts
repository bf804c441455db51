import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { BuildRequest } from '../build/request.ts';
import { BuildError } from '../errors.ts';
import { hostPlatform } from '../image/platform.ts';
import { buildRequest } from './buildRequest.ts';
import { withEnvironment } from './flagEnvironment.ts';
import { remarkOnFlags } from './flagSupport.ts';
import { buildFlags, executorFlags } from './flags/executorFlags.ts';
import type { BuildFlags } from './flags/executorFlags.ts';
import { parseFlags } from './pflag.ts';
import type { Face, Surroundings } from './surroundings.ts';

const nowhere: Surroundings = {
  workingDirectory: '/work',
  environment: { HOME: '/home/me' },
  cpus: 3,
  uid: 1000,
  isWritableDirectory: () => false,
  canHaveDirectory: () => true,
};

function request(face: Face, args: readonly string[], around: Partial<Surroundings> = {}): BuildRequest {
  const surroundings = { ...nowhere, ...around };
  const table: BuildFlags = face === 'executor' ? executorFlags : buildFlags;
  const flags = withEnvironment(table, parseFlags(table, args), surroundings.environment);
  remarkOnFlags(table, flags);
  return buildRequest(flags, face, surroundings);
}

test("without flags the executor takes kaniko's defaults", () => {
  assert.deepEqual(request('executor', ['-d', 'r/x']), {
    context: '/workspace',
    dockerfile: 'Dockerfile',
    destinations: ['r/x'],
    buildArgs: [],
    labels: [],
    push: true,
    skipPushPermissionCheck: false,
    reproducible: false,
    singleSnapshot: false,
    platform: hostPlatform(),
    isolation: 'auto',
    force: false,
    ignorePaths: [],
    dataDirectory: '/kaniko',
    jobs: 3,
    registry: {
      insecurePush: false,
      insecurePull: false,
      insecureRegistries: [],
      skipTlsVerify: false,
      skipTlsVerifyPull: false,
      skipTlsVerifyRegistries: [],
      certificates: new Map(),
      clientCertificates: new Map(),
    },
    mirrors: { map: new Map(), fallBack: true },
    secrets: [],
    sshAgents: [],
  } satisfies BuildRequest);
});

suite('each flag reaches the request', () => {
  const cases: readonly [
    face: Face,
    args: string[],
    expected: Partial<BuildRequest>,
    around?: Partial<Surroundings>,
  ][] = [
    ['executor', ['-c', 'src', '--no-push'], { context: '/work/src', push: false, destinations: [] }],
    [
      'executor',
      ['--context=s3://b/c.tgz', '-d', 'x', '--context-sub-path=a'],
      { context: 's3://b/c.tgz', contextSubPath: 'a' },
    ],
    ['executor', ['-d', 'x', '-d=y', '--no-push'], { destinations: ['x', 'y'], push: false }],
    ['executor', ['-d', 'x', '-f', 'sub/Dockerfile.dev'], { dockerfile: 'sub/Dockerfile.dev' }],
    [
      'executor',
      ['--no-push', '--target=b', '--reproducible', '--single-snapshot'],
      { target: 'b', reproducible: true, singleSnapshot: true },
    ],
    [
      'executor',
      ['--no-push', '--label=a=b=c', '--label', 'd='],
      {
        labels: [
          { key: 'a', value: 'b=c' },
          { key: 'd', value: '' },
        ],
      },
    ],
    [
      'executor',
      ['--no-push', '--build-arg=A=1', '--build-arg', 'A=2=3', '--build-arg=E='],
      {
        buildArgs: [
          { name: 'A', value: '1' },
          { name: 'A', value: '2=3' },
          { name: 'E', value: '' },
        ],
      },
    ],
    [
      'executor',
      ['--no-push', '--build-arg=SET', '--build-arg=UNSET'],
      {
        buildArgs: [
          { name: 'SET', value: 'v' },
          { name: 'UNSET', value: '' },
        ],
      },
      { environment: { SET: 'v' } },
    ],
    [
      'kasane',
      ['--no-push', '--build-arg=SET', '--build-arg=UNSET'],
      { buildArgs: [{ name: 'SET', value: 'v' }] },
      { environment: { SET: 'v' } },
    ],
    [
      'executor',
      ['--no-push', '--tar-path=o/i.tar', '--oci-layout-path=/l', '--digest-file=d'],
      { tarPath: '/work/o/i.tar', ociLayoutPath: '/l', digestFile: '/work/d' },
    ],
    ['executor', ['--no-push', '--tarPath', '/i.tar'], { tarPath: '/i.tar' }],
    [
      'executor',
      ['-d', 'x', '--image-name-with-digest-file=n', '--image-name-tag-with-digest-file=t'],
      { imageNameWithDigestFile: '/work/n', imageNameTagWithDigestFile: '/work/t' },
    ],
    [
      'executor',
      ['-d', 'x', '--skip-push-permission-check', '--jobs=7', '--isolation=none'],
      { skipPushPermissionCheck: true, jobs: 7, isolation: 'none' },
    ],
    [
      'executor',
      ['--no-push', '--customPlatform=linux/arm/v6'],
      { platform: { os: 'linux', architecture: 'arm', variant: 'v6' } },
    ],
    ['kasane', ['--no-push', '--platform=linux/arm64'], { platform: { os: 'linux', architecture: 'arm64' } }],
    ['executor', ['--no-push', '--kaniko-dir', 'data'], { dataDirectory: '/work/data' }],
    ['executor', ['--no-push'], { dataDirectory: '/data' }, { environment: { KANIKO_DIR: '/data' } }],
    [
      'executor',
      ['--no-push', '--kaniko-dir=/flag'],
      { dataDirectory: '/flag' },
      { environment: { KANIKO_DIR: '/data' } },
    ],
    ['executor', ['-d', 'x'], { push: false }, { environment: { KANIKO_NO_PUSH: '1' } }],
    ['executor', ['-d', 'x', '--no-push'], { push: true }, { environment: { KANIKO_NO_PUSH: 'false' } }],
    ['executor', ['-d', 'x'], { push: true }, { environment: { KANIKO_NO_PUSH: '' } }],
    [
      'executor',
      ['-d', 'x', '--cache', '--cache-copy-layers', '--cache-ttl=1h', '--no-push-cache'],
      { cache: { push: false, runLayers: true, copyLayers: true, maxAge: 3_600_000 } },
    ],
    [
      'executor',
      ['-d', 'x', '--cache=true', '--cache-repo=r/c', '--cache-run-layers=false'],
      { cache: { repository: 'r/c', push: true, runLayers: false, copyLayers: false, maxAge: 1_209_600_000 } },
    ],
    ['kasane', ['-t', 'x'], { context: '/work', dockerfile: '/work/Dockerfile', destinations: ['x'], push: true }],
    ['kasane', ['-t', 'x', 'sub'], { context: '/work/sub', dockerfile: '/work/sub/Dockerfile' }],
    [
      'kasane',
      ['-t', 'x', 'sub', '--context-sub-path=in'],
      { context: '/work/sub', contextSubPath: 'in', dockerfile: '/work/sub/in/Dockerfile' },
    ],
    ['kasane', ['-t', 'x', 'sub', '--file=other'], { context: '/work/sub', dockerfile: 'other' }],
    ['kasane', ['-t', 'x', '-c', '/abs/'], { context: '/abs' }],
    ['kasane', ['--tar-path=x.tar'], { tarPath: '/work/x.tar', push: false }],
    ['kasane', ['--no-push', 'git://h/r'], { context: 'git://h/r', dockerfile: 'Dockerfile' }],
  ];
  for (const [face, args, expected, around] of cases) {
    const variables = Object.entries(around?.environment ?? {}).map(([name, value]) => `${name}=${value} `);
    test(`${variables.join('')}${face} ${args.join(' ')}`, () => {
      const made: Record<string, unknown> = { ...request(face, args, around) };
      for (const [name, value] of Object.entries(expected)) assert.deepEqual(made[name], value, name);
    });
  }

  test('registry flags', () => {
    const args = ['-d=x', '--insecure', '--insecure-pull', '--insecure-registry=a:5000', '--insecure-registry=b'];
    const tls = [
      '--skip-tls-verify',
      '--skip-tls-verify-pull',
      '--skip-tls-verify-registry=c',
      '--registry-certificate=d=ca.pem',
      '--registry-client-cert=e=c.pem,/k.pem',
    ];
    assert.deepEqual(request('executor', [...args, ...tls]).registry, {
      insecurePush: true,
      insecurePull: true,
      insecureRegistries: ['a:5000', 'b'],
      skipTlsVerify: true,
      skipTlsVerifyPull: true,
      skipTlsVerifyRegistries: ['c'],
      certificates: new Map([['d', '/work/ca.pem']]),
      clientCertificates: new Map([['e', { certificate: '/work/c.pem', key: '/k.pem' }]]),
    });
  });
});

suite('what can’t be built is refused with a sentence that helps', () => {
  const cases: readonly [
    face: Face,
    args: string[],
    code: string,
    message: string | RegExp,
    environment?: Record<string, string>,
  ][] = [
    ['executor', [], 'DESTINATION_MISSING', 'you must provide --destination, or use --no-push'],
    ['executor', ['--tar-path=x'], 'DESTINATION_MISSING', 'you must provide --destination, or use --no-push'],
    [
      'executor',
      ['--no-push', '--image-name-with-digest-file=n'],
      'DESTINATION_MISSING',
      'you must provide --destination if setting ImageNameDigestFile',
    ],
    [
      'executor',
      ['--no-push', '--image-name-tag-with-digest-file=n'],
      'DESTINATION_MISSING',
      'you must provide --destination if setting ImageNameTagDigestFile',
    ],
    [
      'executor',
      ['--no-push', '--cache'],
      'CACHE_REPO_MISSING',
      'cache flags invalid: if using cache with --no-push, specify cache repo with --cache-repo',
    ],
    ['executor', ['--no-push', 'true'], 'ARGUMENT_UNEXPECTED', 'unknown command "true" for "executor"'],
    ['executor', ['--no-push', '--label=x'], 'FLAG_INVALID', 'labels must be of the form key=value, got x'],
    ['executor', ['--no-push', '--jobs=-1'], 'FLAG_INVALID', /must not be negative/],
    ['executor', ['--no-push', '--isolation=vm'], 'FLAG_INVALID', /must be one of auto, namespace, in-place, none/],
    ['executor', ['--no-push', '--custom-platform=a b'], 'PLATFORM_INVALID', 'Invalid platform "a b"'],
    [
      'executor',
      ['-d', 'x'],
      'FLAG_INVALID',
      /^invalid value "maybe" for KANIKO_NO_PUSH: strconv.ParseBool/,
      { KANIKO_NO_PUSH: 'maybe' },
    ],
    ['executor', ['-d', 'x', '--digest-file=https://h/d'], 'FLAG_UNSUPPORTED', /^--digest-file /],
    [
      'executor',
      ['-d', 'x', '-c', '/src', '--kaniko-dir=/src/.k'],
      'DATA_DIRECTORY_IN_CONTEXT',
      /\/src\/\.k lies in the context \/src/,
    ],
    ['kasane', [], 'OUTPUT_MISSING', 'The image would go nowhere'],
    ['kasane', ['-t', 'x', 'a', 'b'], 'ARGUMENT_UNEXPECTED', 'unexpected argument "b"'],
    ['kasane', ['-t', 'x', 'a', '-c', 'b'], 'FLAG_INVALID', 'the context is given twice: a and --context'],
  ];
  for (const [face, args, code, message, environment = {}] of cases) {
    test(`${face} ${args.join(' ')}`, () => {
      assert.throws(() => request(face, args, { environment }), { name: 'BuildError', code, message });
    });
  }
});

suite('the data directory is one that can be used and is not part of the image', () => {
  const cases: readonly [what: string, args: string[], around: Partial<Surroundings>, expected: string][] = [
    ['/kaniko where it can be written to', [], { isWritableDirectory: (path) => path === '/kaniko' }, '/kaniko'],
    ["else the user's cache", [], {}, '/home/me/.cache/kasane'],
    ['XDG_CACHE_HOME first', [], { environment: { HOME: '/home/me', XDG_CACHE_HOME: '/c' } }, '/c/kasane'],
    [
      'a relative XDG_CACHE_HOME does not count',
      [],
      { environment: { HOME: '/home/me', XDG_CACHE_HOME: 'c' } },
      '/home/me/.cache/kasane',
    ],
    ['without a home', [], { environment: {} }, '/var/tmp/kasane-1000'],
    ['with a home that nothing can be written to', [], { canHaveDirectory: () => false }, '/var/tmp/kasane-1000'],
    ['with the home as context', ['/home/me'], {}, '/var/tmp/kasane-1000'],
    ['with a directory of a like name as context', ['/home/m'], {}, '/home/me/.cache/kasane'],
    ['with / as context', ['/'], {}, '/home/me/.cache/kasane'],
  ];
  for (const [what, args, around, expected] of cases) {
    test(what, () => {
      assert.equal(request('kasane', ['--no-push', ...args], around).dataDirectory, expected);
    });
  }
});

test('flags whose engine is missing are an error that names them, unless they ask for nothing', () => {
  for (const args of [
    ['--annotation=a=b'],
    ['--compression=zstd'],
    ['--image-format=oci'],
    ['--dryrun'],
    ['--credential-helpers=ecr'],
    ['-bx'],
  ]) {
    const name = args.join('').split('=')[0] ?? '';
    assert.throws(
      () => request('executor', ['-d', 'x', ...args]),
      (error: unknown) =>
        error instanceof BuildError &&
        error.code === 'FLAG_UNSUPPORTED' &&
        error.message.startsWith(`${name.slice(0, name.startsWith('--') ? undefined : 2)} is not supported: `),
    );
  }
  for (const args of [['--compression=gzip'], ['--image-format='], ['--dryrun=false'], ['--credential-helpers=']]) {
    request('executor', ['-d', 'x', ...args]);
  }
});

test('flags that change nothing are told', () => {
  const args = ['--snapshotMode=redo', '--use-new-run', '--cache=true', '--cache-repo=r', '--cleanup'];
  const remarks = remarkOnFlags(executorFlags, parseFlags(executorFlags, args));
  assert.deepEqual(
    remarks.withoutEffect.map(({ flag }) => flag),
    ['--snapshotMode', '--use-new-run', '--cleanup'],
  );
});
