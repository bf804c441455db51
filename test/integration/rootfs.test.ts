import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { tmpdir } from 'node:os';
import { BuildError } from '../../src/errors.ts';
import { openDirectoryRootfs } from '../../src/rootfs/directoryRootfs.ts';
import { openOverlayRootfs } from '../../src/rootfs/overlayRootfs.ts';
import { probeIsolation } from '../../src/rootfs/probeIsolation.ts';
import { sameContent } from '../../src/rootfs/changesFrom.ts';
import type { Rootfs, RunCommand } from '../../src/rootfs/rootfs.ts';
import type { Changes } from '../../src/tree/change.ts';
import { MemoryTree } from './memoryTree.ts';

const BUSYBOX = '/bin/busybox';
const skip =
  process.getuid?.() !== 0 ? 'needs root' : existsSync(BUSYBOX) ? false : 'needs busybox-static (npm run test:setup)';

let directory: string;
let count = 0;

/** Something running in a root made of busybox and whatever `prepare` adds. */
interface Trial {
  readonly rootfs: Rootfs;
  readonly tree: MemoryTree;
  readonly run: (command: string | readonly string[], options?: Partial<RunCommand>) => Promise<Ran>;
  /** Runs and says what changed, as `kind path`, links with their target. */
  readonly changes: (script: string, options?: Partial<RunCommand>) => Promise<string[]>;
}

interface Ran {
  readonly exitCode: number;
  readonly signal?: NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

function makeBase(prepare: (base: string) => void): string {
  const base = join(directory, `base-${count++}`);
  mkdirSync(base, 0o755);
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root']) mkdirSync(join(base, name), 0o755);
  chmodSync(join(base, 'tmp'), 0o1777);
  copyFileSync(BUSYBOX, join(base, 'bin/busybox'));
  chmodSync(join(base, 'bin/busybox'), 0o755);
  for (const applet of execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).trim().split('\n')) {
    if (applet !== 'busybox') symlinkSync('busybox', join(base, 'bin', applet));
  }
  prepare(base);
  return base;
}

async function trial(
  kind: 'overlay' | 'directory',
  body: (trial: Trial) => Promise<void>,
  prepare: (base: string) => void = () => undefined,
): Promise<void> {
  const base = makeBase(prepare);
  const own = join(directory, `rootfs-${count++}`);
  const tree = MemoryTree.from(base);
  let rootfs: Rootfs;
  if (kind === 'overlay') {
    rootfs = openOverlayRootfs({ directory: own, layers: [base] });
  } else {
    mkdirSync(own);
    execFileSync('cp', ['-a', base, join(own, 'tree')]);
    rootfs = openDirectoryRootfs({
      directory: own,
      apply: () => Promise.reject(new Error('no such test')),
      compareContents: (pairs) => Promise.resolve(pairs.map(({ path, disk }) => sameContent(join(base, path), disk))),
    });
  }
  try {
    await body(makeTrial(rootfs, tree));
  } finally {
    await rootfs.close();
    assert.ok(!existsSync(own), 'the rootfs deletes what it made');
  }
}

function makeTrial(rootfs: Rootfs, tree: MemoryTree): Trial {
  const run: Trial['run'] = async (command, options = {}) => {
    const chunks = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
    const result = await rootfs.run({
      argv: typeof command === 'string' ? ['/bin/sh', '-c', command] : command,
      env: ['PATH=/bin', 'HOME=/root'],
      user: { uid: 0, gid: 0, groups: [0] },
      workingDirectory: '/',
      hostname: 'kasane',
      network: 'host',
      files: [],
      mounts: [],
      onOutput: (stream, chunk) => chunks[stream].push(chunk),
      ...options,
    });
    const stdout = Buffer.concat(chunks.stdout).toString();
    return { ...result, stdout, stderr: Buffer.concat(chunks.stderr).toString() };
  };
  return {
    rootfs,
    tree,
    run,
    async changes(script, options) {
      const { exitCode, stderr } = await run(script, options);
      assert.equal(exitCode, 0, stderr);
      const changes = await rootfs.changes(tree);
      tree.apply(changes);
      return listed(changes);
    },
  };
}

function listed(changes: Changes): string[] {
  return changes.map((change) =>
    change.kind === 'link' ? `link ${change.path} -> ${change.target}` : `${change.kind} ${change.path}`,
  );
}

const resolvConf = {
  path: '/etc/resolv.conf',
  content: Buffer.from('nameserver 192.0.2.1\n'),
  mode: 0o644,
  writable: true,
};

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'kasane-rootfs-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

test('the probe finds a way to run commands', { skip }, async () => {
  const found = await probeIsolation(join(directory, 'probe'));
  assert.equal(found.mode, 'namespace');
  // Kept: what makes the next launcher start faster.
  assert.deepEqual(readdirSync(join(directory, 'probe')), ['compile-cache']);
});

for (const kind of ['overlay', 'directory'] as const) {
  describe(`a command in a root (${kind})`, { skip }, () => {
    test('its exit code, signals and missing programs are told as a shell tells them', () =>
      trial(
        kind,
        async ({ run }) => {
          assert.equal((await run('exit 42')).exitCode, 42);
          assert.equal((await run('sh -c "kill -9 \\$\\$"; exit $?')).exitCode, 137);
          const missing = await run(['frobnicate']);
          assert.equal(missing.exitCode, 127);
          assert.equal(missing.stderr, 'exec: "frobnicate": executable file not found in $PATH\n');
          assert.equal((await run(['/bin/frobnicate'])).exitCode, 127);
          assert.equal((await run(['/etc/plain'])).exitCode, 126);
          const garbage = await run(['/etc/garbage']);
          assert.equal(garbage.exitCode, 126);
          assert.match(garbage.stderr, /exec format error/);
        },
        (base) => {
          writeFileSync(join(base, 'etc/plain'), 'no program');
          writeFileSync(join(base, 'etc/garbage'), 'no program');
          chmodSync(join(base, 'etc/garbage'), 0o755);
        },
      ));

    test('it gets exactly its own environment, umask, descriptors, host name and working directory', () =>
      trial(kind, async ({ run }) => {
        const env = ['PATH=/bin', 'B=2', 'A=with = sign', '10=number', 'B=3', 'EMPTY='];
        const { stdout } = await run(['env'], { env });
        assert.deepEqual(stdout.trim().split('\n').sort(), [
          '10=number',
          'A=with = sign',
          'B=3',
          'EMPTY=',
          'PATH=/bin',
        ]);
        const facts = await run(
          'umask; ls /proc/self/fd; hostname; pwd; readlink /proc/self/fd/0; ulimit -n; echo $$',
          {
            workingDirectory: '/made/for/it',
          },
        );
        assert.equal(facts.stdout, '0022\n0\n1\n2\n3\nkasane\n/made/for/it\n/dev/null\n1024\n1\n');
      }));

    test('a pipe whose reader ends early ends its writer', () =>
      trial(kind, async ({ run }) => {
        assert.deepEqual(await run('yes | head -n 1; echo done'), { exitCode: 0, stdout: 'y\ndone\n', stderr: '' });
      }));

    test('root has the capabilities that a container has, another user none', () =>
      trial(kind, async ({ run }) => {
        const sets = async (options?: Partial<RunCommand>): Promise<string> =>
          (await run('grep Cap /proc/self/status | cut -f 2; grep NoNewPrivs /proc/self/status; id', options)).stdout;
        const [none, all] = ['0000000000000000', '00000000a80425fb'];
        const root = await sets();
        assert.equal(root, `${none}\n${all}\n${all}\n${all}\n${none}\nNoNewPrivs:\t0\nuid=0 gid=0 groups=0\n`);
        const user = await sets({ user: { uid: 1000, gid: 100, groups: [4, 24] } });
        assert.equal(
          user,
          `${none}\n${none}\n${none}\n${all}\n${none}\nNoNewPrivs:\t0\nuid=1000 gid=100 groups=4,24\n`,
        );
      }));

    test('another user may write to /dev/stdout and /dev/stderr by name', () =>
      trial(kind, async ({ run }) => {
        const ran = await run('echo out > /dev/stdout; echo err > /dev/stderr', {
          user: { uid: 1000, gid: 1000, groups: [] },
        });
        assert.deepEqual(ran, { exitCode: 0, stdout: 'out\n', stderr: 'err\n' });
      }));

    test('what belongs to the kernel is out of its reach', () =>
      trial(kind, async ({ run }) => {
        const mode = lstatSync('/dev/null').mode;
        for (const script of [
          'echo x > /proc/sys/kernel/hostname',
          'echo x > /sys/kernel/uevent_helper',
          'mount -t tmpfs tmpfs /tmp',
          'umount /proc/sys',
          'cat /proc/kcore | head -c 1 | grep -q .',
          'mknod /tmp/sda b 8 0 && head -c 1 /tmp/sda',
          'hostname other',
          'ls -d /proc/[0-9]* | grep -v -e self -e /1$ | grep -vq -e "/[0-9]\\{1,2\\}$"',
        ]) {
          assert.notEqual((await run(script)).exitCode, 0, script);
        }
        await run('chmod 600 /dev/stdin /dev/null');
        assert.equal(lstatSync('/dev/null').mode, mode);
      }));

    test('nothing it started lives on', () =>
      trial(kind, async ({ run }) => {
        await run(
          'setsid sleep 98765.4321 > /dev/null 2>&1 & setsid sh -c "trap : TERM HUP; sleep 98765.4321" & sleep 0.05',
        );
        assert.equal(isRunning('98765.4321'), false);
      }));

    test('it ends when the build is given up', () =>
      trial(kind, async ({ run }) => {
        const giveUp = new AbortController();
        const running = run('echo up; sleep 98765.1234', {
          signal: giveUp.signal,
          onOutput: () => giveUp.abort(new Error('given up')),
        });
        await assert.rejects(running, /given up/);
        assert.equal(isRunning('98765.1234'), false);
      }));

    test('placed files are read and leave nothing behind', () =>
      trial(kind, async ({ run, changes }) => {
        const script = { path: '/tmp/script', content: Buffer.from('#!/bin/sh\necho from script\n'), mode: 0o755 };
        const ran = await run('cat /etc/resolv.conf; echo x >> /etc/resolv.conf && /tmp/script', {
          files: [resolvConf, script],
        });
        assert.deepEqual(ran, { exitCode: 0, stdout: 'nameserver 192.0.2.1\nfrom script\n', stderr: '' });
        assert.deepEqual(await changes('echo x > /tmp/script || true', { files: [resolvConf, script] }), []);
        assert.equal((await run('cat /etc/resolv.conf /tmp/script')).exitCode, 1);
      }));

    test('a root without any directory but that of the program gets none in its layer', () =>
      trial(
        kind,
        async ({ changes }) => {
          assert.deepEqual(await changes('ls /dev/null /proc/self /sys/class', { files: [resolvConf] }), []);
        },
        (base) => {
          for (const name of ['etc', 'proc', 'sys', 'dev']) rmSync(join(base, name), { recursive: true });
        },
      ));

    for (const [name, target] of [
      ['dangling and absolute', '/run/systemd/resolve/stub-resolv.conf'],
      ['dangling and relative', '../run/resolv.conf'],
      ['climbing', '../../../../../../tmp/up/resolv.conf'],
      ['to the machine', 'CANARY'],
      ['to a link of /proc', '/proc/self/cwd/x'],
    ] as const) {
      test(`a resolv.conf that is a link (${name}) stays as it is, and so does what it seems to lead to`, async () => {
        const canary = join(directory, `canary-${count++}`);
        mkdirSync(canary);
        writeFileSync(join(canary, 'file'), 'canary');
        const linkTarget = target === 'CANARY' ? join(canary, 'file') : target;
        await trial(
          kind,
          async ({ run, changes }) => {
            if (name === 'to a link of /proc') {
              await assert.rejects(run('true', { files: [resolvConf] }), isBuildError('ROOTFS_UNUSABLE'));
              return;
            }
            assert.deepEqual(await changes('cat /etc/resolv.conf', { files: [resolvConf] }), []);
            const ran = await run('cat /etc/resolv.conf; readlink /etc/resolv.conf', { files: [resolvConf] });
            assert.equal(ran.stdout, `nameserver 192.0.2.1\n${linkTarget}\n`);
          },
          (base) => symlinkSync(linkTarget, join(base, 'etc/resolv.conf')),
        );
        assert.deepEqual(readdirSync(canary), ['file']);
        assert.equal(readFileSync(join(canary, 'file'), 'utf8'), 'canary');
      });
    }

    for (const name of ['proc', 'sys', 'dev']) {
      test(`an image whose /${name} is a link is refused, and what it leads to is not touched`, async () => {
        const canary = join(directory, `canary-${count++}`);
        mkdirSync(canary);
        await trial(
          kind,
          ({ run }) => assert.rejects(run('true'), isBuildError('ROOTFS_UNUSABLE')),
          (base) => {
            rmSync(join(base, name), { recursive: true });
            symlinkSync(canary, join(base, name));
          },
        );
        assert.deepEqual(readdirSync(canary), []);
      });
    }

    test('a working directory below /proc/self/fd never leads out of the root', () =>
      trial(kind, async ({ run }) => {
        for (const descriptor of [0, 1, 3, 4, 5, 9, 17, 23]) {
          const workingDirectory = `/proc/self/fd/${descriptor}`;
          await assert.rejects(
            run('ls -la .', { workingDirectory }),
            isBuildError('ROOTFS_UNUSABLE'),
            workingDirectory,
          );
        }
      }));

    test('mounts are there for one command and leave nothing behind, their mount points neither', () =>
      trial(kind, async ({ run, changes }) => {
        const outside = join(directory, `outside-${count++}`);
        mkdirSync(outside);
        writeFileSync(join(outside, 'file'), 'outside');
        const mounts: RunCommand['mounts'] = [
          { kind: 'bind', source: outside, target: '/mnt/read', readOnly: true },
          { kind: 'bind', source: outside, target: '/mnt/write', readOnly: false },
          { kind: 'scratch-copy', source: outside, target: '/mnt/copy' },
          { kind: 'tmpfs', target: '/mnt/memory', mode: 0o1777, sizeBytes: 65536 },
          {
            kind: 'secret',
            target: '/run/secrets/token',
            content: Buffer.from('s3cret'),
            mode: 0o400,
            uid: 7,
            gid: 8,
          },
        ];
        const ran = await run(
          `cat /mnt/read/file; (echo no > /mnt/read/new) 2>/dev/null || echo refused
           echo yes > /mnt/write/new; echo lost > /mnt/copy/lost; cat /mnt/copy/file
           echo x > /mnt/memory/x; stat -c %a:%u:%g /run/secrets/token; cat /run/secrets/token
           (head -c 100000 /dev/zero > /mnt/memory/big) 2>/dev/null || echo full`,
          { mounts },
        );
        assert.equal(ran.stdout, 'outsiderefused\noutside400:7:8\ns3cretfull\n', ran.stderr);
        assert.deepEqual(readdirSync(outside).sort(), ['file', 'new']);
        assert.deepEqual(await changes('true', { mounts }), []);
        assert.deepEqual(await changes('echo x > /run/mine', { mounts }), ['put run', 'put run/mine']);
        assert.equal((await run('ls /mnt')).exitCode, 1);
      }));

    test('without a network there is a loopback only', () =>
      trial(kind, async ({ run }) => {
        const { stdout } = await run('tail -n +3 /proc/net/dev | cut -d: -f1', { network: 'none' });
        assert.equal(stdout.trim(), 'lo');
      }));
  });

  describe(`what a command changed (${kind})`, { skip }, () => {
    const cases: readonly (readonly [what: string, script: string, expected: readonly string[]])[] = [
      ['nothing', 'true', []],
      ['a new file', 'echo x > /opt/new', ['put opt', 'put opt/new']],
      ['a file in a new directory', 'mkdir -p /x/y; echo > /x/y/z', ['put x', 'put x/y', 'put x/y/z']],
      ['an edit', 'echo x >> /opt/deep/c', ['put opt', 'put opt/deep', 'put opt/deep/c']],
      [
        'an edit that keeps size and time',
        't=$(stat -c %Y /opt/a); echo -n OPT/A > /opt/a; touch -d @$t /opt/a',
        ['put opt', 'put opt/a'],
      ],
      ['a touched file', 'touch -d @1000 /opt/a', ['put opt', 'put opt/a']],
      ['a mode', 'chmod 600 /opt/a', ['put opt', 'put opt/a']],
      ['an owner', 'chown 5:6 /opt/deep', ['put opt', 'put opt/deep']],
      ['a deleted file', 'rm /opt/a', ['put opt', 'remove opt/a']],
      ['a deleted directory', 'rm -r /opt/deep', ['put opt', 'remove opt/deep']],
      ['a file made and deleted', 'echo > /opt/x; rm /opt/x', []],
      ['a mode set to what it was', 'chmod -R u+rwX /opt /etc', []],
      ['an owner set to what it was', 'chown -hR 0:0 /opt', []],
      ['a move there and back', 'mv /opt/b /opt/x; mv /opt/x /opt/b', []],
      ['a directory touched', 'touch -d @1000 /opt/deep', []],
      [
        'a directory replaced by another',
        'rm -r /opt/deep; mkdir -m 755 /opt/deep; echo x > /opt/deep/new',
        [
          'put opt',
          'put opt/deep',
          'remove opt/deep/c',
          'remove opt/deep/er',
          'put opt/deep/new',
          'remove opt/deep/two',
        ],
      ],
      ['a directory replaced by a file', 'rm -r /opt/deep; echo x > /opt/deep', ['put opt', 'put opt/deep']],
      [
        'a file replaced by a directory',
        'rm /opt/a; mkdir /opt/a; echo > /opt/a/x',
        ['put opt', 'put opt/a', 'put opt/a/x'],
      ],
      ['a link turned', 'ln -sfn b /opt/link', ['put opt', 'put opt/link']],
      ['a link replaced by a file', 'rm /opt/link; echo > /opt/link', ['put opt', 'put opt/link']],
      ['devices and pipes', 'mknod /opt/null c 1 3; mkfifo /opt/fifo', ['put opt', 'put opt/fifo', 'put opt/null']],
      [
        'new links',
        'echo > /opt/x; ln /opt/x /opt/deep/x',
        ['put opt', 'put opt/deep', 'put opt/deep/x', 'link opt/x -> opt/deep/x'],
      ],
      [
        'a further name of a file',
        'ln /opt/a /opt/deep/a',
        ['put opt', 'put opt/a', 'put opt/deep', 'link opt/deep/a -> opt/a'],
      ],
      [
        'an edit under one of three names',
        'echo x >> /opt/three',
        [
          'put opt',
          'put opt/deep',
          'put opt/deep/two',
          'link opt/one -> opt/deep/two',
          'link opt/three -> opt/deep/two',
        ],
      ],
      ['one of three names replaced', 'rm /opt/three; echo x > /opt/three', ['put opt', 'put opt/three']],
      ['one of three names deleted', 'rm /opt/three', ['put opt', 'remove opt/three']],
      ['a mode set to what it was on three names', 'chmod u+rw /opt/one /opt/deep/two /opt/three', []],
      [
        'one name deleted, another edited',
        'rm /opt/deep/two; echo x >> /opt/one',
        ['put opt', 'put opt/deep', 'remove opt/deep/two', 'put opt/one', 'link opt/three -> opt/one'],
      ],
    ];
    for (const [what, script, expected] of cases) {
      test(what, () =>
        trial(
          kind,
          async ({ changes, run }) => {
            assert.deepEqual(await changes(script), [...expected].sort(byPath));
            assert.deepEqual(await changes('true'), [], 'the next step starts from there');
            const { stdout } = await run('cat /opt/one /opt/deep/two /opt/three 2>/dev/null');
            if (what.startsWith('an edit under')) assert.equal(stdout, 'linkedx\nlinkedx\nlinkedx\n');
          },
          someFiles,
        ),
      );
    }
  });
}

test('a stage of 120 steps on a base of 120 layers', { skip }, async () => {
  const base = makeBase(() => undefined);
  const layers = [base];
  for (let number = 0; number < 120; number++) {
    const layer = join(directory, `layer-with-a-long-name-as-digests-have-them-${'0'.repeat(64)}-${number}`);
    mkdirSync(layer, 0o755);
    writeFileSync(join(layer, `layer-${number}`), '');
    layers.push(layer);
  }
  const rootfs = openOverlayRootfs({ directory: join(directory, 'many'), layers });
  const tree = MemoryTree.from(base);
  const { run } = makeTrial(rootfs, tree);
  for (let step = 0; step < 120; step++) {
    assert.equal((await run(`echo ${step} > /step-${step}`)).exitCode, 0);
    if (step % 40 === 0) assert.deepEqual(listed(await rootfs.changes(tree)), [`put step-${step}`]);
  }
  assert.equal((await run('ls -d /layer-* /step-* | wc -l')).stdout.trim(), '240');
  await rootfs.close();
});

/** What the commands below change. */
function someFiles(base: string): void {
  mkdirSync(join(base, 'opt/deep/er'), { recursive: true });
  for (const name of ['opt/a', 'opt/b', 'opt/deep/c', 'opt/deep/er/d']) writeFileSync(join(base, name), name);
  symlinkSync('a', join(base, 'opt/link'));
  for (const name of ['opt/one', 'opt/deep/two', 'opt/three']) {
    if (name === 'opt/one') writeFileSync(join(base, name), 'linked');
    else linkSync(join(base, 'opt/one'), join(base, name));
  }
}

function byPath(a: string, b: string): number {
  return pathKey(a) < pathKey(b) ? -1 : 1;
}

function pathKey(listedChange: string): string {
  return (listedChange.split(' ')[1] ?? '').replaceAll('/', '\0');
}

function isBuildError(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof BuildError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

function isRunning(argument: string): boolean {
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'latin1').split('\0').includes(argument);
    } catch {
      return false;
    }
  });
}
