import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Ended, Workbench } from './workbench.ts';

export interface ContainerSettings {
  readonly args: readonly string[];
  /** Also the group. Default: root. */
  readonly uid?: number;
  /** Names without `CAP_`. Default: Docker's. */
  readonly capabilities?: readonly string[];
  /** Docker's seccomp profile, if Debian's copy is here. Default: true. */
  readonly seccomp?: boolean;
  /**
   * Whether the profile lets everybody make namespaces and mount in them: Debian's copy does, as Podman's; Docker's own does not.
   * Default: true.
   */
  readonly namespaces?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly binds?: readonly { readonly source: string; readonly target: string; readonly readOnly?: boolean }[];
  /** Of the root file system. */
  readonly readOnly?: boolean;
  /** Files of the root file system that the image does not have. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

export const DOCKER_CAPABILITIES: readonly string[] =
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'.split(
    ' ',
  );

const SECCOMP = '/usr/share/containers/seccomp.json';

interface OciConfig {
  process: Record<string, unknown> & { env: string[]; args: string[] };
  root: { path: string; readonly?: boolean };
  mounts: { destination: string; type: string; source: string; options: string[] }[];
  linux: Record<string, unknown>;
}

/**
 * Runs an image as a container engine would, on an overlay of its own: its environment, working directory and, before `args`, its
 * entrypoint. The network is this machine's.
 * @param bundle as `unpackImage` makes it; stays as it is
 */
export async function runContainer(bench: Workbench, bundle: string, settings: ContainerSettings): Promise<Ended> {
  const { uid = 0, capabilities = DOCKER_CAPABILITIES, env = {}, binds = [], files = {}, readOnly = false } = settings;
  const container = bench.path('container');
  const [upper, work, merged] = ['upper', 'work', 'merged'].map((name) => join(container, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [upper, work, merged]) mkdirSync(path, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(upper, name)), { recursive: true });
    writeFileSync(join(upper, name), content);
  }
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as OciConfig;
  // Raising limits takes a capability that root does not always have.
  delete config.process['rlimits'];
  const held = capabilities.map((name) => `CAP_${name}`);
  Object.assign(config.process, {
    terminal: false,
    user: { uid, gid: uid },
    noNewPrivileges: false,
    capabilities: { bounding: held, effective: uid === 0 ? held : [], permitted: uid === 0 ? held : [] },
    env: [...config.process.env, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)],
    args: settings.args,
  });
  config.root = { path: merged, readonly: readOnly };
  config.mounts = [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=64m'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
    ...binds.map((bind) => ({
      destination: bind.target,
      type: 'bind',
      source: bind.source,
      options: ['rbind', bind.readOnly === true ? 'ro' : 'rw'],
    })),
  ];
  config.linux = {
    namespaces: ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
    maskedPaths: ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/sys/firmware'],
    readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    ...(settings.seccomp === false || !existsSync(SECCOMP)
      ? {}
      : { seccomp: dockerSeccomp(capabilities, settings.namespaces ?? true) }),
  };
  writeFileSync(join(container, 'config.json'), JSON.stringify(config));
  const overlay = `lowerdir=${join(bundle, 'rootfs')},upperdir=${upper},workdir=${work}`;
  const mounted = await bench.run(['mount', '-t', 'overlay', '-o', overlay, 'overlay', merged]);
  if (mounted.exitCode !== 0) throw new Error(mounted.stderr);
  try {
    const runc = ['runc', '--root', bench.path('runc'), 'run', '--bundle', container];
    return await bench.run([...runc, `kasane-test-${randomUUID()}`]);
  } finally {
    await bench.run(['umount', merged]);
  }
}

interface Condition {
  readonly arches?: readonly string[];
  readonly caps?: readonly string[];
  readonly minKernel?: string;
}

interface Rule {
  readonly names: readonly string[];
  readonly action: string;
  readonly args?: readonly object[] | null;
  readonly errnoRet?: number;
  readonly includes?: Condition;
  readonly excludes?: Condition;
}

const NAMESPACE_CALLS = new Set(['unshare', 'setns', 'mount', 'umount', 'umount2', 'pivot_root']);

const RULE_FIELDS = ['names', 'action', 'args', 'errnoRet'] as const;

/** The engines' profile is a template: its rules depend on the capabilities and the machine. */
function dockerSeccomp(capabilities: readonly string[], namespaces: boolean): object {
  const allowsNamespaces = namespaces || capabilities.includes('SYS_ADMIN');
  // The profile's own text, without the names of the calls that are refused.
  const profile = JSON.parse(readFileSync(SECCOMP, 'utf8'), (key, value: unknown) =>
    key === 'names' && Array.isArray(value) && !allowsNamespaces
      ? value.filter((name: string) => !NAMESPACE_CALLS.has(name))
      : value,
  ) as {
    defaultAction: string;
    defaultErrnoRet?: number;
    syscalls: readonly Rule[];
  };
  const holds = (name: string): boolean => capabilities.includes(name.replace('CAP_', ''));
  const machine = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const applies = ({ includes = {}, excludes = {} }: Rule): boolean =>
    (includes.caps ?? []).every(holds) &&
    (includes.arches === undefined || includes.arches.includes(machine)) &&
    !(excludes.caps ?? []).some(holds) &&
    !(excludes.arches ?? []).includes(machine);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: process.arch === 'arm64' ? ['SCMP_ARCH_AARCH64'] : ['SCMP_ARCH_X86_64'],
    syscalls: profile.syscalls
      .filter(applies)
      // The template says `null` where a runtime wants nothing.
      .map((rule) =>
        Object.fromEntries(RULE_FIELDS.flatMap((name) => (rule[name] === null ? [] : [[name, rule[name]]]))),
      )
      .filter(({ names }) => Array.isArray(names) && names.length > 0),
  };
}
