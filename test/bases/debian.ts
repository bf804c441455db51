import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { aptAcquireSettings, aptProxy, aptSources } from './aptSources.ts';
import { DEBIAN_CONFIG } from './debianConfig.ts';
import { writeLayout } from './layout.ts';
import { hasProgram, runProgram, tarStream } from './program.ts';

const RELEASE = 'bookworm';

/** Gives the reason if this machine can't make it. */
export async function makeDebian(directory: string): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!hasProgram('debootstrap')) return 'needs debootstrap';
  const sources = aptSources(RELEASE);
  const archive = sources.find(({ suite }) => suite === RELEASE);
  if (archive === undefined) return `needs an archive of Debian ${RELEASE} in this machine's apt configuration`;
  const scratch = mkdtempSync(join(dirname(directory), 'debootstrap-'));
  try {
    const root = join(scratch, 'root');
    const proxy = aptProxy();
    try {
      runProgram('debootstrap', ['--variant=minbase', RELEASE, root, archive.uri], {
        env: proxy === undefined ? {} : { http_proxy: proxy },
      });
    } catch (error) {
      return String(error);
    }
    finish(
      root,
      sources.map(({ uri, suite, components }) => `deb ${uri} ${suite} ${components.join(' ')}\n`),
    );
    await writeLayout(directory, [{ tar: () => tarStream(['--sort=name', '-C', root, '-c', '.']) }], DEBIAN_CONFIG);
    return undefined;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What an official image leaves out, and what makes apt work in it as on this machine. */
function finish(root: string, sources: readonly string[]): void {
  for (const path of ['var/lib/apt/lists', 'var/cache/apt/archives', 'dev', 'var/log/apt']) {
    rmSync(join(root, path), { recursive: true, force: true });
    mkdirSync(join(root, path), { mode: 0o755 });
  }
  for (const path of ['etc/resolv.conf', 'etc/hostname', 'var/log/bootstrap.log', 'var/log/dpkg.log']) {
    rmSync(join(root, path), { force: true });
  }
  mkdirSync(join(root, 'var/lib/apt/lists/partial'));
  mkdirSync(join(root, 'var/cache/apt/archives/partial'));
  writeFileSync(join(root, 'etc/apt/sources.list'), sources.join(''));
  writeFileSync(join(root, 'etc/apt/apt.conf.d/99-archives'), `${aptAcquireSettings()}\n`);
}
