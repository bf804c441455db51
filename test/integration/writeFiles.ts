import { chmodSync, chownSync, linkSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What lies at a path: a file's content, or more about it. */
export type FileSpec =
  | string
  | Uint8Array
  | { readonly content: string | Uint8Array; readonly mode?: number; readonly owner?: readonly [number, number] }
  | { readonly directory: true; readonly mode?: number; readonly owner?: readonly [number, number] }
  | { readonly symlink: string }
  | { readonly hardlink: string };

/** Paths with what lies there, in the order in which it is made. */
export type Files = Readonly<Record<string, FileSpec>>;

/** Writes files below a directory that is made if need be, all with the same time; gives the directory. */
export function writeFiles(directory: string, files: Files): string {
  mkdirSync(directory, { recursive: true });
  for (const [name, spec] of Object.entries(files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof spec === 'string' || spec instanceof Uint8Array) writeFileSync(path, spec);
    else if ('symlink' in spec) symlinkSync(spec.symlink, path);
    else if ('hardlink' in spec) linkSync(join(directory, spec.hardlink), path);
    else {
      if ('directory' in spec) mkdirSync(path, { recursive: true });
      else writeFileSync(path, spec.content);
      if (spec.owner !== undefined) chownSync(path, spec.owner[0], spec.owner[1]);
      if (spec.mode !== undefined) chmodSync(path, spec.mode);
    }
    if (typeof spec === 'string' || !('symlink' in spec)) utimesSync(path, TIME, TIME);
  }
  return directory;
}

const TIME = 1_700_000_000;
