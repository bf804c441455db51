import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { writeLayout } from './layout.ts';
import { runProgram, tarStream } from './program.ts';

const FILES: Readonly<Record<string, string>> = {
  'etc/passwd': [
    'root:x:0:0:root:/root:/bin/sh',
    'daemon:x:1:1:daemon:/usr/sbin:/bin/false',
    'bin:x:2:2:bin:/bin:/bin/false',
    'www-data:x:33:33:www-data:/var/www:/bin/false',
    'app:x:1000:1000:app:/home/app:/bin/sh',
    'nobody:x:65534:65534:nobody:/home:/bin/false',
  ].join('\n'),
  'etc/group': [
    'root:x:0:',
    'daemon:x:1:',
    'bin:x:2:',
    'www-data:x:33:',
    'staff:x:50:app',
    'app:x:1000:',
    'nogroup:x:65534:',
  ].join('\n'),
  'etc/shadow': 'root:*::0:::::',
};

/** Gives the reason if this machine has no static busybox. */
export async function makeBusybox(directory: string): Promise<string | undefined> {
  if (!existsSync('/bin/busybox') || !existsSync('/usr/share/doc/busybox-static')) return 'needs busybox-static';
  const root = mkdtempSync(join(tmpdir(), 'kasane-busybox-'));
  try {
    fill(root);
    const tar = (): AsyncIterable<Uint8Array> =>
      tarStream(['--sort=name', '--owner=0', '--group=0', '--mtime=@1700000000', '-C', root, '-c', '.']);
    await writeLayout(directory, [{ tar }], { Env: [`PATH=${SEARCH_PATH}`], Cmd: ['sh'] });
    return undefined;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function fill(root: string): void {
  chmodSync(root, 0o755);
  const make = (path: string, mode: number): void => {
    mkdirSync(join(root, path), { recursive: true });
    chmodSync(join(root, path), mode);
  };
  for (const path of ['bin', 'dev', 'etc', 'home', 'sbin', 'usr', 'usr/bin', 'usr/sbin', 'var', 'var/www'])
    make(path, 0o755);
  make('root', 0o700);
  make('tmp', 0o1777);
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  chmodSync(join(root, 'bin/busybox'), 0o755);
  for (const applet of runProgram('/bin/busybox', ['--list-full']).trim().split('\n')) {
    if (existsSync(join(root, applet)) || !existsSync(join(root, dirname(applet)))) continue;
    symlinkSync(relative(dirname(applet), 'bin/busybox'), join(root, applet));
  }
  for (const [path, text] of Object.entries(FILES)) {
    writeFileSync(join(root, path), `${text}\n`);
    chmodSync(join(root, path), path === 'etc/shadow' ? 0o600 : 0o644);
  }
}
