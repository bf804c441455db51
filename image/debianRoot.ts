import { existsSync, mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isNative, type Machine } from './machine.ts';
import { runProgram } from './program.ts';

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly source: string;
  readonly sourceVersion: string;
}

export interface DebianRoot {
  /** Where the packages' files lie; `/` for those that are installed here. */
  readonly directory: string;
  readonly packages: readonly DebianPackage[];
}

const FIELDS = '${Package} ${Version} ${source:Package} ${source:Version}\\n';

/**
 * Debian's packages of a machine: those installed here for this one; else the archive's, unpacked into a directory with an
 * apt state of its own, so that nothing here changes.
 * @throws Error that names the package which is missing
 */
export function debianRoot(machine: Machine, names: readonly string[], scratch: string): DebianRoot {
  return isNative(machine) ? installed(names) : downloaded(machine, names, scratch);
}

function installed(names: readonly string[]): DebianRoot {
  const missing = names.filter((name) => !existsSync(`/usr/share/doc/${name}/copyright`));
  if (missing.length > 0) throw new Error(`needs Debian with ${missing.join(', ')} installed`);
  const lines = runProgram(['dpkg-query', '-W', '-f', FIELDS, ...names])
    .trim()
    .split('\n');
  return { directory: '/', packages: lines.map(parse) };
}

function downloaded(machine: Machine, names: readonly string[], scratch: string): DebianRoot {
  const state = join(scratch, 'apt');
  const archives = join(scratch, 'archives');
  const directory = join(scratch, 'debian');
  for (const path of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(state, path), { recursive: true });
  for (const path of [archives, directory]) mkdirSync(path);
  const options = [
    `APT::Architecture=${machine.architecture}`,
    `APT::Architectures=${machine.architecture}`,
    `Dir::State=${state}`,
    `Dir::State::lists=${join(state, 'lists')}`,
    'Dir::State::status=/dev/null',
    `Dir::Cache=${join(state, 'cache')}`,
    'APT::Sandbox::User=root',
    'Acquire::Retries=3',
    'Acquire::Languages=none',
  ].flatMap((option) => ['-o', option]);
  runProgram(['apt-get', '-q', ...options, 'update']);
  const fetch = (wanted: readonly string[]): void => {
    runProgram(['apt-get', '-q', ...options, 'download', ...wanted], { cwd: archives });
    for (const name of readdirSync(archives)) runProgram(['dpkg-deb', '--extract', join(archives, name), directory]);
  };
  fetch(names);
  // Packages of one source may share their documentation by a link to that of another.
  const elsewhere = names
    .map((name) => join(directory, 'usr/share/doc', name))
    .filter((path) => !existsSync(path))
    .map((path) => basename(readlinkSync(path)));
  if (elsewhere.length > 0) fetch([...new Set(elsewhere)]);
  const all = readdirSync(archives).map((name) => join(archives, name));
  const packages = all.map((file) => parse(runProgram(['dpkg-deb', '--show', `--showformat=${FIELDS}`, file])));
  return { directory, packages: packages.filter(({ name }) => names.includes(name)) };
}

function parse(line: string): DebianPackage {
  const [name = '', version = '', source = '', sourceVersion = ''] = line.trim().split(' ');
  return { name, version, source, sourceVersion };
}
