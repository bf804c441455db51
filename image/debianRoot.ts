import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
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
  // One by one: what is asked for together is answered in the order of the alphabet.
  return { directory: '/', packages: names.map((name) => parse(runProgram(['dpkg-query', '-W', '-f', FIELDS, name]))) };
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
  runProgram(['apt-get', '-q', ...options, 'download', ...names], { cwd: archives });
  const files = readdirSync(archives).map((name) => join(archives, name));
  for (const file of files) runProgram(['dpkg-deb', '--extract', file, directory]);
  const packages = files.map((file) => parse(runProgram(['dpkg-deb', '--show', `--showformat=${FIELDS}`, file])));
  return { directory, packages: packages.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name)) };
}

function parse(line: string): DebianPackage {
  const [name = '', version = '', source = '', sourceVersion = ''] = line.trim().split(' ');
  return { name, version, source, sourceVersion };
}
