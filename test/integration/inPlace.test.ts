// RUN in `/` itself, in kasane's own image and a container with Docker's capabilities and seccomp profile.
import assert from 'node:assert/strict';
import { existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { busyboxBase, debianBase, type Base } from '../bases/bases.ts';
import { hasProgram, runProgram } from '../bases/program.ts';
import { handmadeBase, type HandmadeEntry } from './handmadeBase.ts';
import { readLayout } from './layoutImage.ts';
import { runContainer, type ContainerSettings } from './runContainer.ts';
import { NO_RUNTIME } from './runImage.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry, type TestRegistry } from './testRegistry.ts';
import { KASANE, workbench, type Ended, type Workbench } from './workbench.ts';
import type { Files } from './writeFiles.ts';

const ROOT = join(import.meta.dirname, '../..');

const skip =
  NO_RUNTIME ??
  NO_TEST_REGISTRY ??
  (existsSync('/etc/debian_version') ? undefined : 'needs Debian') ??
  ['patchelf', 'strip'].map((name) => (hasProgram(name) ? undefined : `needs ${name}`)).find(Boolean) ??
  false;

let directory: string;
let bundle: string;

/** A workbench with a registry on it that holds a base, and a directory that containers see as /out. */
interface Place {
  readonly bench: Workbench;
  readonly registry: TestRegistry;
  readonly base: string;
  readonly out: string;
  /** `kasane build` in a container of its own, as process 1, with the context mounted; the image comes to `layout`. */
  readonly build: (
    context: Files,
    flags?: readonly string[],
    settings?: Partial<ContainerSettings>,
  ) => Promise<InPlace>;
  /** A script of the debug image's shell in a container; `$BUILD` builds /context, which is no mount, in place. */
  readonly shell: (script: string, context: Files, settings?: Partial<ContainerSettings>) => Promise<Ended>;
}

interface InPlace extends Ended {
  readonly layout: string;
}

async function place(t: TestContext, wanted: Promise<Base> = busyboxBase()): Promise<Place | undefined> {
  const bench = workbench(t);
  const layout = layoutOf(t, await wanted);
  if (layout === undefined) return undefined;
  const registry = await testRegistry(t);
  const base = await registry.push(layout, 'base:1');
  const out = bench.path('out');
  mkdirSync(out);
  const etc = bench.files({ 'resolv.conf': readFileSync('/etc/resolv.conf'), hosts: HOSTS, hostname: 'box\n' });
  const binds = [
    ...['resolv.conf', 'hosts', 'hostname'].map((name) => ({
      source: join(etc, name),
      target: `/etc/${name}`,
      readOnly: true,
    })),
    { source: out, target: '/out' },
  ];
  let count = 0;
  const build: Place['build'] = async (context, flags = [], settings = {}) => {
    const name = `layout-${count++}`;
    const ended = await runContainer(bench, bundle, {
      namespaces: false,
      ...settings,
      args: [
        '/kaniko/kasane',
        'build',
        ...BUILD_FLAGS,
        `--oci-layout-path=/out/${name}`,
        '-v',
        'debug',
        ...flags,
        '/workspace',
      ],
      binds: [...binds, { source: bench.files(context), target: '/workspace' }, ...(settings.binds ?? [])],
    });
    return { ...ended, layout: join(out, name) };
  };
  const shell: Place['shell'] = (script, context, settings = {}) =>
    runContainer(bench, bundle, {
      namespaces: false,
      ...settings,
      args: ['/busybox/sh', '-c', script],
      env: { BUILD: `/kaniko/executor --context=/context ${BUILD_FLAGS.join(' ')}` },
      files: Object.fromEntries(Object.entries(context).map(([path, text]) => [`context/${path}`, text as string])),
      binds: [...binds, ...(settings.binds ?? [])],
    });
  return { bench, registry, base, out, build, shell };
}

const HOSTS = '127.0.0.1\tlocalhost\n';
const BUILD_FLAGS = ['--insecure-pull', '--no-push', '--force=false'];

/** Everything outside /kaniko, mounts and the kernel's directories, with its metadata; not /own itself, where outputs come and go. */
const LISTING = `/busybox/find / -xdev \\( -path /kaniko -o -path /proc -o -path /sys -o -path /dev -o -path /out \\) -prune -o ! -path / -exec /busybox/stat -c '%N %f %u:%g %Y' {} + | /busybox/sort | /busybox/grep -v '^/own '`;

describe('in place', { skip }, () => {
  before(() => {
    directory = mkdtempSync('/var/tmp/kasane-test-in-place-');
    const layout = join(directory, 'layout');
    runProgram(join(ROOT, 'bin/node'), [join(ROOT, 'scripts/image.ts'), '--debug', '--oci-layout', layout]);
    bundle = join(directory, 'bundle');
    runProgram('umoci', ['unpack', '--image', `${layout}:latest`, bundle]);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test('what namespaces refuse is built in /, and gives the image that namespaces give', async (t) => {
    const here = await place(t, debianBase());
    if (here === undefined) return;
    const context = {
      Dockerfile: `FROM ${here.base} AS other
RUN mkdir -p /srv/deep && echo other > /srv/deep/file && chown -R games /srv
FROM ${here.base} AS first
RUN useradd -m joe && ln -s /dev/null /null && ln -s usr /u && mkdir -p /u/made/deep && cp -a /bin/true /opt/copied
RUN chmod -R u+rwX,go+rX /usr/share /etc/apt && ln /opt/copied /opt/linked && rm -rf /usr/share/zoneinfo/Africa /etc/mtab
COPY a /d/
COPY --from=other /srv /srv
WORKDIR /w
RUN cat /d/a > b; rm -r /opt; mkdir /opt; echo x >> /etc/hosts; umask > umask; mv /srv/deep /srv/moved; setfattr -n user.a -v b b || true
USER joe
RUN id > ~/id; grep ^Cap /proc/self/status | cut -f2 | head -3 > ~/caps
FROM first
USER root
RUN --mount=from=other,source=/srv,target=/h cp -r /h/deep /joe; mkfifo /fifo; touch -d @1000 /d/a; (sleep 100 &)`,
      a: 'a',
    };
    const inPlace = await here.build(context);
    assert.equal(inPlace.exitCode, 0, inPlace.stderr);
    assert.match(inPlace.stderr, /RUN is executed in place, because namespaces are refused/);
    const baseLayers = readLayout((await debianBase()).layout ?? '').manifest.layers.length;
    const paths = new Set(readLayout(inPlace.layout).layers().slice(baseLayers).flat());
    assert.ok(paths.has('usr/made/deep') && paths.has('null'));
    // Of what links lead to nothing is recorded that did not change.
    assert.ok(!paths.has('dev') && !paths.has('u/made'));
    const other = await here.bench.build(context);
    const compared = await here.bench.run([
      KASANE,
      'imagediff',
      '--layers',
      `oci:${inPlace.layout}`,
      `oci:${other.layout}`,
    ]);
    assert.equal(compared.exitCode, 0, compared.stdout);
  });

  test("Debian's packages are installed", async (t) => {
    const here = await place(t, debianBase());
    if (here === undefined) return;
    const Dockerfile = `FROM ${here.base}
RUN apt-get update && apt-get install -y --no-install-recommends hello && rm -rf /var/lib/apt/lists/*
RUN hello`;
    const built = await here.build({ Dockerfile });
    assert.equal(built.exitCode, 0, built.stderr);
    assert.ok(readLayout(built.layout).layers().at(-1)?.includes('usr/bin/hello'));
    assert.match(built.stdout, /Hello, world!/);
  });

  test('ten builds in one container inherit nothing, and leave the container as it was', async (t) => {
    const here = await place(t);
    if (here === undefined) return;
    const script = `set -e
      ${LISTING} > /out/before
      for n in 1 2 3 4 5 6 7 8 9; do
        $BUILD --build-arg=N=$n --digest-file=/own/digest --tar-path=/own/image.tar || exit 9
        test -s /own/digest && test -s /own/image.tar
        rm /own/digest /own/image.tar
        if test $n = 5; then
          if $BUILD --dockerfile=Failing; then exit 8; fi
        fi
      done
      ${LISTING} > /out/after
      /bin/sh -c 'echo the shell is alive'`;
    const context = {
      Dockerfile: `FROM ${here.base}
ARG N
RUN test ! -e /inherited && test ! -e /busybox && test ! -e /context && touch /inherited && rm -rf /home /var
COPY a /a
RUN test "$(cat /a)" = content && echo $N > /n`,
      Failing: `FROM ${here.base}\nRUN touch /inherited && (sleep 1000 &) && exit 3`,
      a: 'content',
      '../own/kept': 'kept',
    };
    const ended = await here.shell(script, context);
    assert.equal(ended.exitCode, 0, ended.stderr);
    assert.match(ended.stdout, /the shell is alive/);
    assertUntouched(here);
  });

  test('a build that was killed is repaired by the next one', async (t) => {
    const here = await place(t);
    if (here === undefined) return;
    const script = `
      ${LISTING} > /out/before
      $BUILD --dockerfile=Slow & 
      until test -e /started; do /busybox/usleep 20000; done
      kill -9 $!
      wait $!
      test -e /context && exit 7
      /kaniko/executor --context=/context ${BUILD_FLAGS.join(' ')} || exit 8
      ${LISTING} > /out/after`;
    const context = {
      Dockerfile: `FROM ${here.base}\nCOPY a /a\nRUN test ! -e /started && test -e /a && touch /fine`,
      Slow: `FROM ${here.base}\nRUN touch /started && sleep 1000`,
      a: 'a',
    };
    const ended = await here.shell(script, context, {
      binds: [{ source: join(bundle, 'rootfs/busybox'), target: '/busybox' }],
    });
    assert.equal(ended.exitCode, 0, ended.stderr);
    assert.match(ended.stderr, /An earlier build was killed while \/ was borrowed; it has been put back/);
    assertUntouched(here);
  });

  test('SIGTERM stops a build and puts everything back', async (t) => {
    const here = await place(t);
    if (here === undefined) return;
    const script = `
      ${LISTING} > /out/before
      $BUILD &
      until test -e /started; do /busybox/usleep 20000; done
      kill -TERM $!
      wait $!
      echo "code $?"
      ${LISTING} > /out/after`;
    const ended = await here.shell(
      script,
      { Dockerfile: `FROM ${here.base}\nRUN touch /started && (setsid sleep 1001 &) && sleep 1000` },
      { binds: [{ source: join(bundle, 'rootfs/busybox'), target: '/busybox' }] },
    );
    assert.match(ended.stdout, /code 143/, ended.stderr);
    assertUntouched(here);
  });

  test('a base may have what it likes where the container has mounts', async (t) => {
    const here = await place(t);
    if (here === undefined) return;
    const layout = await handmadeBase(here.bench, {
      on: (await busyboxBase()).layout ?? '',
      layers: [
        [
          { path: 'etc/resolv.conf', content: 'nameserver 192.0.2.1\n' },
          { path: 'etc/hosts', target: '../run/hosts', type: 'symlink' },
          { path: 'run', type: 'directory' },
          { path: 'run/lock', type: 'directory' },
          { path: 'run/hosts', content: 'of the image\n' },
          { path: 'run/was', content: 'was\n' },
          { path: 'var/run', type: 'symlink', target: '/run' },
          { path: 'product_uuid', content: 'base\n' },
          { path: 'usr/lib', type: 'directory' },
          { path: 'usr/lib/modules', type: 'directory' },
          { path: 'usr/lib/modules/6.1', content: 'module\n' },
          { path: 'usr/lib/thing', content: 'thing\n' },
          { path: 'lib', type: 'symlink', target: 'usr/lib' },
          { path: 'opt', type: 'directory', mode: 0o711 },
          { path: 'opt/a', content: 'a\n' },
          { path: 'opt/ro', content: 'base\n' },
          { path: 'opt/z', content: 'z\n' },
          { path: 'data', type: 'directory' },
          { path: 'data/first', content: 'linked\n' },
          { path: 'zlinked', type: 'hardlink', target: 'data/first' },
          { path: 'srv', content: 'a file where a mount lies deeper\n' },
        ],
      ],
    });
    const base = await here.registry.push(layout, 'collides:1');
    const volume = here.bench.files({ file: 'of the volume\n', 'dir/inner': 'inner\n' });
    const bind = (target: string, name: string, readOnly = true) => ({ source: join(volume, name), target, readOnly });
    const built = await here.build(
      {
        Dockerfile: `FROM ${base}
RUN set -e; cat /etc/hosts | grep localhost; test "$(cat /opt/a)" = a; test "$(cat /lib/thing)" = thing; test "$(cat /var/run/was)" = was; \
  test "$(cat /zlinked)" = linked; test "$(cat /srv/deep/inner)" = inner; \
  echo new > /var/run/new; rm /var/run/was; echo x > /lib/made; mkdir /var/run/lock/inner; echo o > /opt/made; chmod 750 /opt; mkdir /var/run/dir; echo 1 > /var/run/dir/one
RUN test "$(cat /run/new)" = new && test "$(cat /var/run/dir/one)" = 1 && test ! -e /run/was && echo 2 > /run/dir/two && test ! -e /usr/lib/gone
COPY more /lib/
RUN test "$(cat /lib/more)" = more && test "$(cat /usr/lib/more)" = more`,
        more: 'more\n',
      },
      ['--isolation=in-place'],
      {
        binds: [
          bind('/product_uuid', 'file'),
          bind('/lib/modules', 'dir'),
          bind('/opt/ro', 'file'),
          bind('/var/run/secrets/token', 'dir'),
          bind('/data', 'dir', false),
          bind('/srv/deep', 'dir'),
          { source: volume, target: '/odd [name] #1' },
        ],
      },
    );
    assert.equal(built.exitCode, 0, built.stderr);
    const image = readLayout(built.layout);
    const layers = image
      .layers()
      .slice(-3)
      .map((paths) => paths.toSorted());
    assert.deepEqual(layers, [
      [
        'opt',
        'opt/made',
        'run',
        'run/.wh.was',
        'run/dir',
        'run/dir/one',
        'run/lock',
        'run/lock/inner',
        'run/new',
        'usr',
        'usr/lib',
        'usr/lib/made',
      ],
      ['run', 'run/dir', 'run/dir/two'],
      ['usr', 'usr/lib', 'usr/lib/more'],
    ]);
    assert.deepEqual(readdirSync(volume).sort(), ['dir', 'file']);
    assert.deepEqual(readdirSync(join(volume, 'dir')), ['inner']);
    // What the base has at those paths is still what the image has: nothing above hides it.
    const above = new Set(image.layers().slice(-3).flat());
    for (const path of ['etc/resolv.conf', 'product_uuid', 'var/run', 'lib', 'data', 'srv', 'opt/ro']) {
      assert.ok(!above.has(path), path);
    }
  });

  test('what a command leaves running ends with it, and no zombie is left', async (t) => {
    const here = await place(t);
    if (here === undefined) return;
    const Dockerfile = `FROM ${here.base}
RUN (sleep 1000 &); (setsid sh -c 'sleep 1001 & sleep 1002' >/dev/null 2>&1 &); sleep 0.1; (while :; do echo y >> /growing; done) &
RUN for n in 1 2 3 4 5; do (true &); done; sleep 1.5; ps > /out/ps; cat /growing | wc -c > /size1; sleep 0.1; cat /growing | wc -c | cmp - /size1`;
    for (const isInit of [true, false]) {
      const built: Ended = isInit
        ? await here.build({ Dockerfile })
        : await here.shell('$BUILD; echo "code $?"; /busybox/ps', { Dockerfile });
      assert.equal(built.exitCode, 0, built.stderr);
      const seen: string = readFileSync(join(here.out, 'ps'), 'utf8');
      // The executor and, as its children, the shell with its ps; between them the script, if there is one.
      assert.equal(seen.trim().split('\n').length, isInit ? 4 : 5, seen);
      if (!isInit) assert.doesNotMatch(built.stdout, /sleep 100/);
    }
  });

  test('mounts are there for their command alone; caches are kept, secrets are on no disk', async (t) => {
    const here = await place(t);
    if (here === undefined) return;
    const canary = 'canary-4711';
    const context = {
      Dockerfile: `FROM ${here.base}
RUN --mount=type=secret,id=s,mode=0444 --mount=type=secret,id=s,target=/root/deep/secret,env=S --mount=type=tmpfs,target=/tmp \\
  test "$(cat /run/secrets/s)" = ${canary.slice(0, 6)}-4711 && test "$(cat /root/deep/secret)" = "$S" && touch /tmp/x && test -z "$KASANE_NODE_OPTIONS$SSL_CERT_DIR$DOCKER_CONFIG"
RUN --mount=type=cache,target=/root/.cache echo $(($(cat /root/.cache/n 2>/dev/null || echo 0) + 1)) > /root/.cache/n; cat /root/.cache/n
RUN --mount=type=cache,target=/root/.cache test "$(cat /root/.cache/n)" -ge 1
RUN --mount=target=/src --mount=type=bind,source=a,target=/etc/passwd,rw cat /src/a; test "$(cat /etc/passwd)" = a; echo more >> /etc/passwd
RUN --mount=type=secret,id=s,required=true exit 5
`,
      a: 'a\n',
      secret: canary,
    };
    const script = `for n in 1 2; do $BUILD --secret=id=s,src=/context/secret; echo "code $?"; done
      /busybox/ls -A /dev/shm; /busybox/grep -r -l ${canary} /kaniko/builds /kaniko/blobs /kaniko/cache-mounts /kaniko/in-place`;
    const ended = await here.shell(script, context);
    assert.deepEqual(
      ended.stdout.match(/^(code \d+|1|2|kasane-.*|\/.*)$/gm),
      ['1', 'code 5', '2', 'code 5'],
      ended.stderr,
    );
    const good = await here.build(
      { ...context, Dockerfile: context.Dockerfile.replace(' exit 5', ' true') },
      ['--secret=id=s,env=SECRET', '--isolation=in-place'],
      { env: { SECRET: canary } },
    );
    assert.equal(good.exitCode, 0, good.stderr);
    assert.equal(
      readLayout(good.layout).layers().length,
      readLayout((await busyboxBase()).layout ?? '').layers().length,
    );
  });

  test('only a RUN that no cache has borrows /; ignored paths are in no layer', async (t) => {
    const here = await place(t);
    if (here === undefined) return;
    const flags = '-v debug --cache --cache-repo=oci:/kaniko/layers --ignore-path=/ign*/x --oci-layout-path=/out/image';
    const ended = await here.shell(`for n in 1 2; do $BUILD ${flags} || exit 1; done`, {
      Dockerfile: `FROM ${here.base}\nRUN mkdir -p /ignored/x/y /ignored/z`,
    });
    assert.equal(ended.exitCode, 0, ended.stderr);
    assert.equal(ended.stderr.match(/is set aside/g)?.length, 1, ended.stderr);
    assert.equal(ended.stderr.match(/Using caching version/g)?.length, 1, ended.stderr);
    assert.deepEqual(readLayout(join(here.out, 'image')).layers().at(-1), ['ignored', 'ignored/z']);
  });

  test('nothing of a hostile base runs in the executor', async (t) => {
    if (!hasProgram('gcc')) {
      t.skip('needs gcc');
      return;
    }
    const here = await place(t, debianBase());
    if (here === undefined) return;
    const trap = makeTrap(here.bench);
    const machine = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
    const libraries = ['evil', 'files', 'dns'].flatMap((name) =>
      [`usr/lib/${machine}`, 'usr/lib'].map((folder): HandmadeEntry => {
        return { path: `${folder}/libnss_${name}.so.2`, content: trap, mode: 0o755 };
      }),
    );
    const layout = await handmadeBase(here.bench, {
      on: (await debianBase()).layout ?? '',
      layers: [
        [
          ...libraries,
          { path: 'etc/passwd', type: 'symlink', target: '/proc/self/mem' },
          { path: 'etc/group', type: 'symlink', target: '/dev/zero' },
          { path: 'etc/ld.so.preload', content: '/trap.so\n' },
          { path: 'trap.so', content: trap, mode: 0o755 },
          { path: 'etc/nsswitch.conf', content: 'passwd: evil\ngroup: evil\nhosts: evil\n' },
          { path: 'etc/hosts', type: 'fifo' },
          { path: 'etc/resolv.conf', type: 'fifo' },
          { path: 'etc/ssl', type: 'directory' },
          { path: 'etc/ssl/openssl.cnf', content: OPENSSL_TRAP },
          { path: 'usr/lib/ssl', type: 'directory' },
          { path: 'usr/lib/ssl/openssl.cnf', content: OPENSSL_TRAP },
          { path: 'package.json', content: '{"type":"commonjs"' },
        ],
      ],
      config: { Env: ['PATH=/usr/bin:/bin', 'NODE_OPTIONS=--require=/trap.js', 'LD_PRELOAD=/trap.so'] },
    });
    const base = await here.registry.push(layout, 'hostile:1');
    // By name, so that it is looked up.
    const host = here.registry.host.replace('127.0.0.1', 'localhost');
    const Dockerfile = `FROM ${base}\nRUN [ "true" ]\nADD http://${host}/v2/ /added\nRUN [ "/bin/sh", "-c", "umask" ]`;
    const built = await here.build({ Dockerfile }, [`--destination=${host}/pushed:1`, '--no-push=false', '--insecure']);
    assert.equal(built.exitCode, 0, built.stderr);
    const [canary = ''] = globSync('*-container/upper/kaniko/canary', { cwd: here.bench.directory });
    const ran = readFileSync(join(here.bench.directory, canary), 'utf8').trim().split('\n');
    assert.ok(ran.includes('/usr/bin/dash') && ran.includes('/usr/bin/true'), ran.join(' '));
    assert.deepEqual(
      ran.filter((path) => path.startsWith('/kaniko')),
      [],
    );
  });

  test('an odd passwd or group file stops nobody', async (t) => {
    const here = await place(t);
    if (here === undefined) return;
    const odd: readonly HandmadeEntry[] = [
      { path: 'etc/passwd', type: 'fifo' },
      { path: 'etc/passwd', content: Buffer.alloc(16 << 20) },
      { path: 'etc/passwd', type: 'symlink', target: '/dev/zero' },
    ];
    for (const [index, entry] of odd.entries()) {
      const on = (await busyboxBase()).layout ?? '';
      const layout = await handmadeBase(here.bench, { on, layers: [[entry, { ...entry, path: 'etc/group' }]] });
      const base = await here.registry.push(layout, `odd:${index}`);
      const built = await here.build({ Dockerfile: `FROM ${base}\nUSER 5:6\nRUN [ "/bin/busybox", "true" ]` });
      assert.equal(built.exitCode, 0, built.stderr);
    }
  });

  test('less than the usual capabilities will do if that is asked for: what the disk refuses is in the image all the same', async (t) => {
    const here = await place(t);
    if (here === undefined) return;
    const layout = await handmadeBase(here.bench, {
      on: (await busyboxBase()).layout ?? '',
      layers: [
        [
          { path: 'owned', content: 'owned', owner: [33, 44], mode: 0o4755 },
          { path: 'device', type: 'character', device: [1, 3] },
          { path: 'kept', content: 'kept', owner: [33, 44] },
        ],
      ],
    });
    const base = await here.registry.push(layout, 'owners:1');
    const context = {
      Dockerfile: `FROM ${base}\nRUN chmod 600 /kept; touch -c -r /owned /owned; mv /owned /o; mv /o /owned; echo x > /x`,
    };
    const refused = await here.build(context, [], { capabilities: [] });
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /nor in place: that takes CAP_CHOWN, .*--isolation=in-place tries without/);
    const readOnly = await here.build(context, ['--isolation=in-place', '--kaniko-dir=/out/data'], { readOnly: true });
    assert.match(readOnly.stderr, /the root file system is read-only/);
    const built = await here.build(context, ['--isolation=in-place'], { capabilities: [] });
    assert.equal(built.exitCode, 0, built.stderr);
    const lines = readLayout(built.layout).layer(-1);
    assert.deepEqual(
      lines.map(({ path, mode, owner }) => `${path} ${mode} ${owner}`),
      ['kept -rw------- 33/44', 'x -rw-r--r-- 0/0'],
    );
  });

  test('it is refused outside of a container, and where Node.js needs the root file system', async (t) => {
    const bench = workbench(t);
    const context = bench.files({ Dockerfile: 'FROM scratch\nRUN ["/x"]' });
    const ended = await bench.run([
      KASANE,
      'build',
      '--no-push',
      '--isolation=in-place',
      `--kaniko-dir=${bench.path('data')}`,
      context,
    ]);
    assert.equal(ended.exitCode, 1);
    assert.match(ended.stderr, /kasane's own image/);
  });
});

const OPENSSL_TRAP =
  'openssl_conf = init\nnodejs_conf = init\n[init]\nengines = engines\nproviders = providers\n[providers]\ntrap = trap\n[trap]\nmodule = /trap.so\nactivate = 1\n[engines]\ntrap = engine\n[engine]\ndynamic_path = /trap.so\n';

/** A library that writes down which programs load it. */
function makeTrap(bench: Workbench): Buffer {
  const source = join(
    bench.files({
      'trap.c': `#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void spring(void) {
  char path[4097];
  ssize_t length = readlink("/proc/self/exe", path, 4096);
  int file = open("/kaniko/canary", O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (length < 0 || file < 0) return;
  path[length++] = '\\n';
  if (write(file, path, length) < 0) return;
  close(file);
}
`,
    }),
    'trap.c',
  );
  runProgram('gcc', ['-shared', '-fPIC', '-nostartfiles', '-o', `${source}.so`, source]);
  return readFileSync(`${source}.so`);
}

/** By the listings that a script made before and after. */
function assertUntouched({ out }: Place): void {
  const [original, now] = ['before', 'after'].map((name) => new Set(readFileSync(join(out, name), 'utf8').split('\n')));
  assert.ok(original !== undefined && now !== undefined && original.size > 3);
  assert.deepEqual([...now.difference(original)], [...original.difference(now)]);
}
