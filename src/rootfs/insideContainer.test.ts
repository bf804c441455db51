import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { insideContainer } from './insideContainer.ts';

test('a container is known by what engines leave in it, and an ordinary machine by their absence', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-container-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const cases: readonly [path: string, content: string, evidence: string | undefined][] = [
    ['etc/hostname', 'machine', undefined],
    ['proc/self/cgroup', '0::/user.slice/session-1.scope\n', undefined],
    ['proc/1/cmdline', '/sbin/init\0', undefined],
    ['.dockerenv', '', '/.dockerenv'],
    ['run/.containerenv', '', '/run/.containerenv'],
    ['var/run/secrets/kubernetes.io/serviceaccount/token', '', '/var/run/secrets/kubernetes.io/serviceaccount'],
    ['proc/self/cgroup', '0::/kubepods.slice/x\n', 'a control group of kube'],
    ['proc/1/cmdline', '/usr/bin/gvisor-init\0', 'process 1 of gvisor'],
    ['proc/vz', '', '/proc/vz'],
    ['proc/version_signature', 'Microsoft 4.4\n', '/proc/version_signature'],
  ];
  for (const [index, [path, content, evidence]] of cases.entries()) {
    const root = join(directory, String(index));
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
    assert.equal(insideContainer({}, root), evidence, path);
  }
  assert.equal(insideContainer({ container: 'podman' }, join(directory, '0')), 'the variable container');
});
