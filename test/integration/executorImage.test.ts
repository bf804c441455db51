// kasane's own image, made by `npm run image` and run by runc.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { kanikoVersion } from '../../src/cli/version.ts';
import { CAPABILITIES } from '../../src/linux/capabilities.ts';
import { version } from '../../src/version.ts';
import { busyboxBase } from '../bases/bases.ts';
import { hasProgram, runProgram } from '../bases/program.ts';
import { readLayout, type TarLine } from './layoutImage.ts';
import { startRegistry } from './registry.ts';
import { DOCKER_CAPABILITIES, runContainer, type ContainerSettings } from './runContainer.ts';
import { NO_RUNTIME } from './runImage.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { workbench, type Ended, type Workbench } from './workbench.ts';

const ROOT = join(import.meta.dirname, '../..');

const skip =
  NO_RUNTIME ??
  NO_TEST_REGISTRY ??
  (existsSync('/etc/debian_version') ? undefined : 'needs Debian') ??
  ['patchelf', 'strip', 'openssl'].map((name) => (hasProgram(name) ? undefined : `needs ${name}`)).find(Boolean) ??
  false;

/** What root holds here: not everything, on some machines. */
const PRIVILEGED = CAPABILITIES.filter((_name, number) => (capabilityMask() >> BigInt(number)) & 1n).map((name) =>
  name.slice('CAP_'.length),
);

let directory: string;
let image: Made;
let debug: Made;

interface Made {
  readonly layout: string;
  readonly bundle: string;
}

function make(name: string, flags: readonly string[]): Made {
  const [layout, bundle] = [join(directory, `${name}-layout`), join(directory, name)];
  runProgram(join(ROOT, 'bin/node'), [join(ROOT, 'scripts/image.ts'), ...flags, '--oci-layout', layout]);
  runProgram('umoci', ['unpack', '--image', `${layout}:latest`, bundle]);
  return { layout, bundle };
}

describe("kasane's own image", { skip }, () => {
  before(() => {
    directory = mkdtempSync('/var/tmp/kasane-test-image-');
    image = make('executor', []);
    debug = make('debug', ['--debug']);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test("its configuration is that of kaniko's", () => {
    const { Entrypoint, WorkingDir, Env, Volumes, User } = readLayout(image.layout).config.config;
    assert.deepEqual(Entrypoint, ['/kaniko/executor']);
    assert.equal(WorkingDir, '/workspace');
    assert.deepEqual(Env?.toSorted(), environment('/usr/local/bin:/kaniko'));
    assert.equal(Volumes, undefined);
    assert.ok(User === undefined || User === '');
    const more = readLayout(debug.layout).config.config;
    assert.deepEqual(more.Entrypoint, ['/kaniko/executor']);
    assert.deepEqual(more.Env?.toSorted(), environment('/usr/local/bin:/kaniko:/busybox'));
    assert.deepEqual(more.Volumes, { '/busybox': {} });
  });

  test('its files lie in /kaniko, readable for all, and whoever runs it can write there', () => {
    const lines = entries(image.layout);
    const outside = lines.map(({ path }) => path).filter((path) => !/^kaniko(\/|$)/.test(path) && path !== '');
    assert.deepEqual([...new Set(outside)].sort(), ['etc', 'etc/nsswitch.conf', 'workspace']);
    for (const path of ['kaniko', 'kaniko/.docker'])
      assert.ok(
        lines.filter((line) => line.path === path).every(({ mode }) => mode === 'drwxrwxrwx'),
        path,
      );
    assert.deepEqual(
      lines.filter(({ mode, owner }) => owner !== '0/0' || !(mode.startsWith('l') || mode[7] === 'r')),
      [],
    );
    for (const name of ['node', 'unshare', 'env'])
      assert.ok(
        lines.some(({ path }) => path === `kaniko/bin/${name}`),
        name,
      );
    for (const name of ['node/LICENSE', 'util-linux/copyright', 'util-linux/SOURCE', 'common-licenses/GPL-2'])
      assert.ok(
        lines.some(({ path }) => path === `kaniko/licenses/${name}`),
        name,
      );
  });

  test('it is below 50 MB compressed', () => {
    const { layers } = readLayout(image.layout).manifest;
    const size = layers.reduce((sum, layer) => sum + layer.size, 0);
    assert.ok(size < 50e6, `${size} bytes`);
  });

  test('it starts with nothing but its own files, and obeys nothing that is not meant for it', async (t) => {
    const bench = workbench(t);
    const hostile = {
      env: { NODE_OPTIONS: '--require /none.js', OPENSSL_CONF: '/etc/ssl/openssl.cnf' },
      files: {
        'etc/ld.so.preload': '/none.so\n',
        'etc/ssl/openssl.cnf': 'nodejs_conf = init\n[init]\nproviders = none\n[none]\nx = none\n',
        'package.json': '{"type":"commonjs"}',
      },
    };
    for (const settings of [{}, { uid: 1000, readOnly: true, capabilities: [] }, hostile]) {
      const started = await run(bench, image, ['version'], settings);
      assert.deepEqual(started, { exitCode: 0, stdout: kanikoVersion, stderr: '' });
    }
    const kasane = await runContainer(bench, image.bundle, { args: ['/kaniko/kasane', 'version'] });
    assert.deepEqual(kasane, { exitCode: 0, stdout: `kasane ${version}\n`, stderr: '' });
    const warmer = await runContainer(bench, image.bundle, { args: ['/kaniko/warmer', '--image=x'] });
    assert.equal(warmer.exitCode, 1);
    assert.match(warmer.stderr, /no warmer yet/);
  });

  test('its compiled code is found by any user, also where nothing can be written', async (t) => {
    const env = { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' };
    const settings = { uid: 1000, capabilities: [], readOnly: true, env };
    const { stderr } = await run(workbench(t), image, ['--help'], settings);
    const used = stderr.match(/^.*code cache for .*$/gm) ?? [];
    assert.ok(used.length > 3, stderr);
    assert.deepEqual(
      used.filter((line) => !line.includes('was accepted')),
      [],
    );
  });

  test('a name look-up loads no library of the root file system', async (t) => {
    const bench = workbench(t);
    const library = process.arch === 'arm64' ? 'lib/aarch64-linux-gnu' : 'lib/x86_64-linux-gnu';
    const program = `
      const maps = () => /libnss_planted/.test(require('fs').readFileSync('/proc/self/maps', 'utf8'));
      require('dns').lookup('a.invalid', () => console.log(maps()));`;
    const planted = readFileSync(`/${library}/libdl.so.2`);
    const ended = await runContainer(bench, image.bundle, {
      args: ['/kaniko/bin/node', '-e', program],
      files: {
        'etc/nsswitch.conf': 'hosts: planted\n',
        [`${library}/libnss_planted.so.2`]: planted,
        'lib/libnss_planted.so.2': planted,
        'usr/lib/libnss_planted.so.2': planted,
      },
    });
    assert.deepEqual(ended, { exitCode: 0, stdout: 'false\n', stderr: '' });
  });

  for (const [name, settings] of [
    ["with Docker's capabilities and seccomp profile", {}],
    ['with no capability', { capabilities: [] }],
    ['as an ordinary user', { uid: 1000, capabilities: [] }],
  ] as const) {
    test(`builds without RUN and pushes: ${name}`, async (t) => {
      const bench = workbench(t);
      const registry = await baseRegistry(t);
      if (registry === undefined) return;
      const context = bench.files({
        Dockerfile: `FROM ${registry.base}\nCOPY --chown=5:6 a /b/\nWORKDIR /w\nENV A=b\n`,
        a: 'a',
      });
      const ended = await run(
        bench,
        image,
        [`--destination=${registry.host}/made:1`, '--insecure', '--insecure-pull', '--digest-file=/kaniko/digest'],
        { ...settings, binds: [{ source: context, target: '/workspace', readOnly: true }] },
      );
      assert.equal(ended.exitCode, 0, ended.stderr);
      assert.doesNotMatch(ended.stderr, /Experimental|permission|denied/i);
      assert.deepEqual(listing(bench, `${registry.host}/made:1`, 'b/'), ['5/6 b', '5/6 b/a']);
    });
  }

  test('builds without RUN in a read-only root file system, with one directory to write to', async (t) => {
    const bench = workbench(t);
    const registry = await baseRegistry(t);
    if (registry === undefined) return;
    const context = bench.files({ Dockerfile: `FROM ${registry.base}\nCOPY a /b\n`, a: 'a' });
    const data = bench.path('data');
    mkdirSync(data, { mode: 0o777 });
    runProgram('chown', ['1000:1000', data]);
    const ended = await run(
      bench,
      image,
      [`--destination=${registry.host}/made:1`, '--insecure', '--insecure-pull', '--kaniko-dir=/data'],
      {
        uid: 1000,
        capabilities: [],
        readOnly: true,
        binds: [
          { source: context, target: '/workspace', readOnly: true },
          { source: data, target: '/data' },
        ],
      },
    );
    assert.equal(ended.exitCode, 0, ended.stderr);
  });

  for (const [name, settings, flags] of [
    ['privileged, data on a volume', { capabilities: PRIVILEGED, seccomp: false }, ['--kaniko-dir=/data']],
    [
      "SYS_ADMIN within Docker's profile, data on a volume",
      { capabilities: [...DOCKER_CAPABILITIES, 'SYS_ADMIN'] },
      ['--kaniko-dir=/data'],
    ],
    ['privileged, data in the container', { capabilities: PRIVILEGED, seccomp: false }, []],
  ] as const) {
    test(`builds with RUN: ${name}`, async (t) => {
      const bench = workbench(t);
      const registry = await baseRegistry(t);
      if (registry === undefined) return;
      const context = bench.files({
        Dockerfile: `FROM ${registry.base}\nRUN env | cut -d= -f1 | sort | xargs >/env; ls / | xargs >/ls; id -u >/uid\n`,
      });
      const data = bench.path('data');
      mkdirSync(data);
      const ended = await run(
        bench,
        image,
        [`--destination=${registry.host}/made:1`, '--insecure', '--insecure-pull', ...flags],
        {
          ...settings,
          // The image's own unshare is found wherever PATH leads.
          env: { PATH: '/none', NODE_OPTIONS: '--max-old-space-size=4000' },
          binds: [
            { source: context, target: '/workspace', readOnly: true },
            { source: data, target: '/data' },
          ],
        },
      );
      assert.equal(ended.exitCode, 0, ended.stderr);
      const root = unpacked(bench, `${registry.host}/made:1`);
      const read = (path: string): string => readFileSync(join(root, path), 'utf8').trim();
      assert.equal(read('uid'), '0');
      assert.doesNotMatch(read('ls'), /kaniko|workspace|data/);
      assert.doesNotMatch(read('env'), /NODE|OPENSSL|KASANE|DOCKER|SSL|USER/);
    });
  }

  test("a company's certificate authority in /kaniko/ssl/certs is trusted", async (t) => {
    const bench = workbench(t);
    const tls = certificates(bench);
    const { host } = await startRegistry(t, { tls });
    const context = bench.files({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    const binds = [{ source: context, target: '/workspace', readOnly: true }];
    const args = [`--destination=${host}/made:1`, '--push-retry=0'];
    const refused = await run(bench, image, args, { binds });
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.stderr, /certificate/);
    const authority = { source: tls.authority, target: '/kaniko/ssl/certs/company.crt', readOnly: true };
    const trusted = await run(bench, image, args, { binds: [...binds, authority] });
    assert.equal(trusted.exitCode, 0, trusted.stderr);
  });

  test("the debug variant's shell works, before a build and after it", async (t) => {
    const bench = workbench(t);
    const context = bench.files({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    const script = [
      'executor version',
      '/kaniko/executor --no-push --tar-path=/kaniko/a.tar --destination=a 2>/kaniko/log || cat /kaniko/log',
      'tar tf /kaniko/a.tar | grep -c manifest.json',
      '/busybox/cat /workspace/Dockerfile | wc -l',
    ].join('\n');
    for (const shell of ['/bin/sh', '/busybox/sh', 'sh']) {
      const ended = await runContainer(bench, debug.bundle, {
        args: [shell, '-c', script],
        binds: [{ source: context, target: '/workspace', readOnly: true }],
      });
      assert.deepEqual(ended, { exitCode: 0, stdout: `${kanikoVersion}1\n2\n`, stderr: '' });
    }
  });

  test('for the other machine it is made here too, and starts under an emulator', async (t) => {
    const lacks = ['aarch64-linux-gnu-strip', 'qemu-aarch64-static', 'npm'].find((name) => !hasProgram(name));
    if (process.arch === 'arm64' || lacks !== undefined) {
      t.skip(lacks === undefined ? 'this machine is the other one' : `needs ${lacks}`);
      return;
    }
    const { layout, bundle } = make('arm64', ['--platform', 'linux/arm64']);
    assert.equal(readLayout(layout).config.architecture, 'arm64');
    const root = join(bundle, 'rootfs');
    const emulate = ['qemu-aarch64-static', '-L', root];
    const bench = workbench(t);
    const words = [join(root, 'kaniko/bin/node'), '--no-warnings', join(root, 'kaniko/executor'), 'version'];
    const ended = await bench.run([...emulate, ...words], { env: { OPENSSL_CONF: '/dev/null' } });
    assert.deepEqual(ended, { exitCode: 0, stdout: kanikoVersion, stderr: '' });
    for (const name of ['env', 'unshare']) {
      const { exitCode, stderr } = await bench.run([...emulate, join(root, 'kaniko/bin', name), '--version']);
      assert.equal(exitCode, 0, stderr);
    }
  });
});

function environment(path: string): string[] {
  return [
    'HOME=/root',
    'USER=root',
    `PATH=${path}`,
    'SSL_CERT_DIR=/kaniko/ssl/certs',
    'DOCKER_CONFIG=/kaniko/.docker/',
    'DOCKER_CREDENTIAL_GCR_CONFIG=/kaniko/.config/gcloud/docker_credential_gcr_config.json',
  ].sort();
}

function run(
  bench: Workbench,
  { bundle }: Made,
  args: readonly string[],
  settings: Omit<ContainerSettings, 'args'>,
): Promise<Ended> {
  return runContainer(bench, bundle, { ...settings, args: ['/kaniko/executor', ...args] });
}

function capabilityMask(): bigint {
  const [, mask = '0'] = /^CapEff:\s*(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return BigInt(`0x${mask}`);
}

/** A registry with a base image; skips the test aloud without one. */
async function baseRegistry(t: TestContext): Promise<{ readonly host: string; readonly base: string } | undefined> {
  const layout = layoutOf(t, await busyboxBase());
  if (layout === undefined) return undefined;
  const registry = await testRegistry(t);
  return { host: registry.host, base: await registry.push(layout, 'base:1') };
}

function pulled(bench: Workbench, reference: string): string {
  const layout = bench.path('pulled');
  runProgram('skopeo', ['copy', '--quiet', '--src-tls-verify=false', `docker://${reference}`, `oci:${layout}:latest`]);
  return layout;
}

/** Of all layers. */
function entries(layout: string): TarLine[] {
  const read = readLayout(layout);
  return read.manifest.layers.flatMap((_layer, number) => read.layer(number));
}

/** Owners and paths of an image's entries below a path. */
function listing(bench: Workbench, reference: string, below: string): string[] {
  return entries(pulled(bench, reference))
    .filter(({ path }) => `${path}/`.startsWith(below))
    .map(({ owner, path }) => `${owner} ${path}`);
}

function unpacked(bench: Workbench, reference: string): string {
  const bundle = bench.path('unpacked');
  runProgram('umoci', ['unpack', '--image', `${pulled(bench, reference)}:latest`, bundle]);
  return join(bundle, 'rootfs');
}

function openssl(...args: readonly string[]): void {
  runProgram('openssl', args);
}

/** An authority of our own, and what a server on loopback shows. */
function certificates(bench: Workbench): { authority: string; certificate: string; key: string } {
  const made = bench.files({ extensions: 'subjectAltName=IP:127.0.0.1\n' });
  const path = (name: string): string => join(made, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    path('ca.key'),
    '-out',
    path('ca.pem'),
    '-subj',
    '/CN=Company',
    '-days',
    '2',
  );
  openssl('req', ...key, '-keyout', path('key'), '-out', path('request'), '-subj', '/CN=registry');
  const by = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-extfile', path('extensions')];
  openssl('x509', '-req', '-in', path('request'), ...by, '-out', path('certificate'), '-days', '2');
  return { authority: path('ca.pem'), certificate: path('certificate'), key: path('key') };
}
