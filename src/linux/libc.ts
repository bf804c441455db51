// System calls that Node lacks, made through the C library. This folder alone uses node:ffi, and this file alone knows
// its signatures: it is experimental, so Node is pinned exactly.
import { BuildError } from '../errors.ts';

/** Everything that is called, with its C prototype. Pointers are taken as buffers; null is a null pointer. */
const SIGNATURES = {
  // int *__errno_location(void)
  __errno_location: { arguments: [], return: 'pointer' },
  // ssize_t llistxattr(const char *path, char *list, size_t size); results fit in 32 bits: the kernel's limit is 64 KiB
  llistxattr: { arguments: ['buffer', 'buffer', 'uint64'], return: 'int32' },
  lgetxattr: { arguments: ['buffer', 'buffer', 'buffer', 'uint64'], return: 'int32' },
  lsetxattr: { arguments: ['buffer', 'buffer', 'buffer', 'uint64', 'int32'], return: 'int32' },
  lremovexattr: { arguments: ['buffer', 'buffer'], return: 'int32' },
  // int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
  mount: { arguments: ['pointer', 'buffer', 'pointer', 'uint64', 'pointer'], return: 'int32' },
  umount2: { arguments: ['buffer', 'int32'], return: 'int32' },
  pivot_root: { arguments: ['buffer', 'buffer'], return: 'int32' },
  chroot: { arguments: ['buffer'], return: 'int32' },
  // int mknod(const char *path, mode_t mode, dev_t dev)
  mknod: { arguments: ['buffer', 'uint32', 'uint64'], return: 'int32' },
  // int utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)
  utimensat: { arguments: ['int32', 'buffer', 'buffer', 'int32'], return: 'int32' },
  // int prctl(int op, ...): the variable arguments are unsigned longs, passed in registers like fixed ones on both machines
  prctl: { arguments: ['int32', 'uint64', 'uint64', 'uint64', 'uint64'], return: 'int32' },
  capset: { arguments: ['buffer', 'buffer'], return: 'int32' },
  // sighandler_t signal(int number, sighandler_t handler)
  signal: { arguments: ['int32', 'pointer'], return: 'pointer' },
  sigprocmask: { arguments: ['int32', 'buffer', 'pointer'], return: 'int32' },
  // int prlimit(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old)
  prlimit: { arguments: ['int32', 'int32', 'pointer', 'pointer'], return: 'int32' },
  sethostname: { arguments: ['buffer', 'uint64'], return: 'int32' },
  // int flock(int fd, int operation)
  flock: { arguments: ['int32', 'int32'], return: 'int32' },
  waitpid: { arguments: ['int32', 'pointer', 'int32'], return: 'int32' },
} as const;

type Functions = ReturnType<typeof load>['functions'];

/** The C library of this process. `errno()` is that of the calling thread and must be read right after the call. */
export interface Libc extends Functions {
  errno(): number;
}

let loaded: Libc | undefined;

/** Loaded on first use. @throws BuildError `LIBC_UNAVAILABLE` */
export function libc(): Libc {
  return (loaded ??= withErrno());
}

function withErrno(): Libc {
  const { ffi, functions } = load();
  const address = functions['__errno_location']();
  return { ...functions, errno: () => ffi.getInt32(address) };
}

/** By name, never by path: in a root that was replaced a path would load a second C library. */
function load() {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const failures: unknown[] = [];
  // Imported late: it costs time, and prints a warning where Node was not told otherwise.
  const ffi = process.getBuiltinModule('node:ffi');
  for (const name of ['libc.so.6', `libc.musl-${machine}.so.1`]) {
    try {
      return { ffi, functions: ffi.dlopen(name, SIGNATURES).functions };
    } catch (error) {
      failures.push(error);
    }
  }
  throw new BuildError('LIBC_UNAVAILABLE', 'the C library of this machine cannot be called', {
    hint: 'kasane runs on Linux with glibc or musl, on x86_64 and aarch64, with the Node.js it is shipped with.',
    cause: new AggregateError(failures),
  });
}
