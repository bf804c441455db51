import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Machine } from './machine.ts';
import { runProgram } from './program.ts';
import { sealLoader } from './sealLoader.ts';

/** Debian's package of each library that may be needed: its licence has to come along. */
export const LIBRARY_PACKAGES: Readonly<Record<string, string>> = {
  'libatomic.so.1': 'libatomic1',
  'libc.so.6': 'libc6',
  'libdl.so.2': 'libc6',
  'libgcc_s.so.1': 'libgcc-s1',
  'libm.so.6': 'libc6',
  'libpthread.so.0': 'libc6',
  'libstdc++.so.6': 'libstdc++6',
};

/**
 * Puts programs into `<kaniko>/bin`, stripped, with the loader and all libraries they need in `<kaniko>/lib`, so that they run in any
 * root file system. @throws Error for a library that is not known
 */
export function placePrograms(kaniko: string, programs: readonly string[], machine: Machine, debian: string): void {
  const bin = join(kaniko, 'bin');
  const lib = join(kaniko, 'lib');
  for (const directory of [bin, lib]) mkdirSync(directory, { recursive: true });
  const needed = new Set<string>();
  for (const program of programs) {
    const path = join(bin, basename(program));
    copyFileSync(program, path);
    chmodSync(path, 0o755);
    runProgram([`${machine.triplet}-strip`, path]);
    addNeeded(needed, path, machine, debian);
    // The old kind of rpath also counts for libraries of libraries, and before LD_LIBRARY_PATH.
    const interpreter = `/kaniko/lib/${machine.loader}`;
    runProgram(['patchelf', '--set-interpreter', interpreter, '--force-rpath', '--set-rpath', '/kaniko/lib', path]);
  }
  for (const name of needed) {
    copyFileSync(libraryPath(name, machine, debian), join(lib, name));
    chmodSync(join(lib, name), 0o644);
  }
  const loader = readFileSync(libraryPath(machine.loader, machine, debian));
  writeFileSync(join(lib, machine.loader), sealLoader(loader, machine.triplet), { mode: 0o755 });
}

function addNeeded(needed: Set<string>, file: string, machine: Machine, debian: string): void {
  for (const name of runProgram(['patchelf', '--print-needed', file]).split('\n')) {
    if (name === '' || name === machine.loader || needed.has(name)) continue;
    if (LIBRARY_PACKAGES[name] === undefined)
      throw new Error(`${basename(file)} needs ${name}, whose package is not known`);
    needed.add(name);
    addNeeded(needed, libraryPath(name, machine, debian), machine, debian);
  }
}

function libraryPath(name: string, { triplet }: Machine, debian: string): string {
  const path = ['lib', 'usr/lib'].map((directory) => join(debian, directory, triplet, name)).find(existsSync);
  if (path === undefined) throw new Error(`${name} is not in ${debian}`);
  return path;
}
