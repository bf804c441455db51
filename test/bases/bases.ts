/**
 * Real base images for the integration tests and the bench, made from Debian's packages and kept as OCI layouts in a cache
 * directory outside the repository: $KASANE_TEST_CACHE, else ~/.cache/kasane-test. Delete it to make them anew.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { bigFiles } from './bigFiles.ts';
import { makeBusybox } from './busybox.ts';
import { makeDebian } from './debian.ts';
import { DEBIAN_CONFIG } from './debianConfig.ts';
import { makeGitHardlinks, type GitHardlinks } from './gitHardlinks.ts';
import { writeLayout } from './layout.ts';

/** The directory of an OCI layout whose image is tagged `latest`, or why there is none on this machine. */
export type Base =
  | { readonly layout: string; readonly skip?: undefined }
  | { readonly skip: string; readonly layout?: undefined };

/** busybox-static, a few users, /tmp. Needs no privilege; 2 MB. */
export function busyboxBase(): Promise<Base> {
  return once('busybox-1', makeBusybox);
}

/** Debian bookworm by debootstrap, `apt-get update` works in it as on this machine; about a minute and 40 MB the first time. */
export function debianBase(): Promise<Base> {
  return once('debian-bookworm-1', makeDebian);
}

/** The Debian base with 43,680 files on top: 1 GB and 50,000 entries, in four layers; always the same but for Debian's. */
export function bigBase(): Promise<Base> {
  return once('big-1', async (directory) => {
    const debian = await debianBase();
    if (debian.skip !== undefined) return debian.skip;
    const layers = [0, 1, 2].map((part) => ({ tar: () => bigFiles(part) }));
    await writeLayout(directory, [{ layersOf: debian.layout }, ...layers], DEBIAN_CONFIG);
    return undefined;
  });
}

/**
 * Debian with git as one file of several names, of which `first` stands first in the tar and so is the real file there; a second
 * layer puts a symlink to another of the names in the place of `replaced`.
 */
export function gitHardlinkBase(names: GitHardlinks): Promise<Base> {
  const key = `git-${names.first}-${names.replaced}-1`.replaceAll('/', '_');
  return once(key, async (directory) => {
    const debian = await debianBase();
    return debian.skip ?? makeGitHardlinks(directory, debian.layout, names);
  });
}

const made = new Map<string, Promise<Base>>();

/** `make` writes the layout's directory, or gives the reason why it can't. */
function once(name: string, make: (directory: string) => Promise<string | undefined>): Promise<Base> {
  let base = made.get(name);
  if (base === undefined) made.set(name, (base = find(name, make)));
  return base;
}

async function find(name: string, make: (directory: string) => Promise<string | undefined>): Promise<Base> {
  const cache = process.env['KASANE_TEST_CACHE'] ?? join(homedir(), '.cache/kasane-test');
  const directory = join(cache, name);
  if (existsSync(directory)) return { layout: directory };
  mkdirSync(cache, { recursive: true });
  const skip = await make(directory);
  return skip === undefined ? { layout: directory } : { skip };
}
