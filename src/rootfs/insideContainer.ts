import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.ts';
import { readMounts } from '../linux/mountinfo.ts';

/** What container engines leave for programs to find; asked first, because nothing else has them. */
const MARKERS = [
  'run/.containerenv',
  '.dockerenv',
  'var/run/secrets/kubernetes.io/serviceaccount',
  'run/systemd/container',
  '__runsc_containers__',
];

const ENGINES = /docker|rkt|systemd-nspawn|lxc|openvz|kube|garden|podman|gvisor|firejail|wsl/;

/**
 * By what it shows that this process runs inside a container; undefined if nothing does. The tests are kaniko's.
 * @param root for tests: a directory that is looked at in the place of `/`
 */
export function insideContainer(
  environment: Readonly<Record<string, string | undefined>>,
  root = '/',
): string | undefined {
  const marker = MARKERS.find((path) => existsSync(join(root, path)));
  if (marker !== undefined) return `/${marker}`;
  const group = ENGINES.exec(readIfThere(join(root, 'proc/self/cgroup')))?.[0];
  if (group !== undefined) return `a control group of ${group}`;
  if (existsSync(join(root, 'proc/vz')) && !existsSync(join(root, 'proc/bc'))) return '/proc/vz';
  const init = ENGINES.exec(readIfThere(join(root, 'proc/1/cmdline')))?.[0];
  if (init !== undefined) return `process 1 of ${init}`;
  if (readIfThere(join(root, 'proc/version_signature')).startsWith('Microsoft')) return '/proc/version_signature';
  if ((environment['container'] ?? '') !== '') return 'the variable container';
  if (root === '/' && readMounts().some(({ target, type }) => target === '/' && type === 'overlay')) {
    return '/ on an overlay';
  }
  return undefined;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR', 'EPERM')) return '';
    throw error;
  }
}
