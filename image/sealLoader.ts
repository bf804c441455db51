/**
 * The dynamic loader, made blind to the root file system that it runs in. The executor's programs may start while `/` is an image's
 * own: that image's /etc/ld.so.preload, library cache and library directories would bring its code into them. Paths are replaced by
 * paths of equal length, because the loader keeps their lengths elsewhere.
 * @throws Error if the loader does not hold what is to be replaced: glibc has changed, and this must follow
 */
export function sealLoader(loader: Uint8Array, triplet: string): Buffer {
  const sealed = Buffer.from(loader);
  const systemDirectories = [`/lib/${triplet}/`, `/usr/lib/${triplet}/`, '/lib/', '/usr/lib/'];
  for (const [before, after] of [
    ['/etc/ld.so.preload', '/kaniko/no-preload'],
    ['/etc/ld.so.cache', '/kaniko/no-cache'],
    [
      systemDirectories.join('\0'),
      [...systemDirectories.slice(0, 2).map(ownDirectory), '/sys/', ownDirectory('/usr/lib/')].join('\0'),
    ],
  ] as const) {
    if (replaceAll(sealed, `\0${before}\0`, `\0${after}\0`) === 0)
      throw new Error(`the dynamic loader does not hold ${before.replaceAll('\0', ':')}`);
  }
  return sealed;
}

/** Our own libraries, in a name as long as the other. */
function ownDirectory(path: string): string {
  return path.length < '/kaniko/lib/'.length
    ? '/kaniko/'.padEnd(path.length, '/')
    : '/kaniko/lib/'.padEnd(path.length, '/');
}

function replaceAll(bytes: Buffer, before: string, after: string): number {
  if (before.length !== after.length) throw new Error(`${after} is not as long as ${before}`);
  let count = 0;
  for (let at = bytes.indexOf(before, 0, 'latin1'); at !== -1; at = bytes.indexOf(before, at + 1, 'latin1')) {
    bytes.write(after, at, 'latin1');
    count++;
  }
  return count;
}
