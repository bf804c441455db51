import assert from 'node:assert/strict';
import { lstatSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { busyboxBase, debianBase, gitHardlinkBase, type Base } from '../bases/bases.ts';
import { hasProgram, runProgram } from '../bases/program.ts';

const BASES: readonly [name: string, make: () => Promise<Base>, program: readonly string[]][] = [
  ['busybox', busyboxBase, ['/bin/busybox', 'true']],
  ['debian', debianBase, ['/usr/bin/dpkg', '--version']],
  [
    'git with broken hard links',
    () => gitHardlinkBase({ first: 'usr/bin/git', replaced: 'usr/bin/git' }),
    ['/usr/lib/git-core/git', 'version'],
  ],
];

for (const [name, make, program] of BASES) {
  test(`the ${name} base is an image to skopeo and umoci, and its programs run`, async (t) => {
    if (process.getuid?.() !== 0) return t.skip('needs root');
    for (const tool of ['skopeo', 'umoci']) if (!hasProgram(tool)) return t.skip(`needs ${tool}`);
    const base = await make();
    if (base.skip !== undefined) return t.skip(base.skip);
    const inspected = JSON.parse(runProgram('skopeo', ['inspect', `oci:${base.layout}:latest`])) as { Os: string };
    assert.equal(inspected.Os, 'linux');
    const directory = mkdtempSync(join(tmpdir(), 'kasane-base-'));
    t.after(() => {
      rmSync(directory, { recursive: true, force: true });
    });
    const bundle = join(directory, 'bundle');
    runProgram('umoci', ['unpack', '--image', `${base.layout}:latest`, bundle]);
    const root = join(bundle, 'rootfs');
    assert.equal(lstatSync(join(root, 'tmp')).mode & 0o7777, 0o1777);
    // git wants it.
    if (name !== 'busybox') runProgram('mknod', ['-m', '666', join(root, 'dev/null'), 'c', '1', '3']);
    runProgram('chroot', [root, ...program], { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
  });
}
