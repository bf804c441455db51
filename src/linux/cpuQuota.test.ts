import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpuQuota, usableCpus } from './cpuQuota.ts';

const rows: readonly [string, string, Record<string, string>, number | undefined][] = [
  ['cgroup 2, in a container', '0::/\n', { '/sys/fs/cgroup/cpu.max': '150000 100000\n' }, 1.5],
  ['cgroup 2, no limit', '0::/a\n', { '/sys/fs/cgroup/a/cpu.max': 'max 100000\n' }, undefined],
  ['cgroup 2, seen from outside', '0::/kube/pod1\n', { '/sys/fs/cgroup/kube/pod1/cpu.max': '400000 100000' }, 4],
  [
    'cgroup 1',
    '3:cpuset:/x\n2:cpu,cpuacct:/x\n0::/x\n',
    {
      '/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us': '50000\n',
      '/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us': '100000\n',
    },
    0.5,
  ],
  [
    'cgroup 1, no limit',
    '2:cpu:/\n',
    { '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n', '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n' },
    undefined,
  ],
  ['nothing to read', '', {}, undefined],
];

test('a container’s CPU limit is found, so that a build does not start more than it may run', () => {
  for (const [name, cgroup, files, expected] of rows) {
    assert.equal(
      cpuQuota(cgroup, (path) => files[path]),
      expected,
      name,
    );
  }
  assert.ok(usableCpus() >= 1);
});
