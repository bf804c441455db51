import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** CPUs that this process may use: those it is allowed to run on, or fewer where its control group has a quota. At least 1. */
export function usableCpus(): number {
  const quota = cpuQuota(read('/proc/self/cgroup') ?? '', read);
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(quota ?? Number.POSITIVE_INFINITY)));
}

/**
 * The CPU time a control group may take, in CPUs; undefined without a limit. `cgroup` is a `/proc/PID/cgroup`; its paths are looked for
 * as they stand and, as in a container that sees its own group as the root, at the root.
 */
export function cpuQuota(cgroup: string, readFile: (path: string) => string | undefined): number | undefined {
  const quotas: number[] = [];
  for (const line of cgroup.trim().split('\n')) {
    const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isUnified = controllers === '';
    if (!isUnified && !controllers.split(',').includes('cpu')) continue;
    const bases = isUnified ? [ROOT, join(ROOT, 'unified')] : [join(ROOT, controllers), join(ROOT, 'cpu')];
    for (const directory of bases.flatMap((base) => [join(base, path), base])) {
      const quota = isUnified ? unifiedQuota(directory, readFile) : legacyQuota(directory, readFile);
      if (quota !== undefined) quotas.push(quota);
    }
  }
  return quotas.length === 0 ? undefined : Math.min(...quotas);
}

/** `cpu.max`: `100000 100000`, or `max 100000`. */
function unifiedQuota(directory: string, readFile: (path: string) => string | undefined): number | undefined {
  const [quota, period] = (readFile(join(directory, 'cpu.max')) ?? '').trim().split(/\s+/);
  return ratio(Number(quota), Number(period));
}

function legacyQuota(directory: string, readFile: (path: string) => string | undefined): number | undefined {
  const number = (name: string): number => Number(readFile(join(directory, name)) ?? Number.NaN);
  return ratio(number('cpu.cfs_quota_us'), number('cpu.cfs_period_us'));
}

function ratio(quota: number, period: number): number | undefined {
  return quota > 0 && period > 0 && Number.isFinite(quota) ? quota / period : undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Not there, or not to be read: then it sets no limit that we know of.
    return undefined;
  }
}
