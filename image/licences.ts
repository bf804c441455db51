import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DebianPackage } from './debianRoot.ts';

/** Writes the licences of Debian's packages, the texts they refer to, and where their sources are. */
export function writeDebianLicences(target: string, debian: string, packages: readonly DebianPackage[]): void {
  const texts = new Set<string>();
  for (const debianPackage of packages) {
    const { name } = debianPackage;
    const file = join(debian, 'usr/share/doc', name, 'copyright');
    copyLicence(file, join(target, name), 'copyright');
    writeFileSync(join(target, name, 'SOURCE'), sourceNotice(debianPackage));
    for (const [, text = ''] of readFileSync(file, 'utf8').matchAll(
      /\/usr\/share\/common-licenses\/([A-Za-z]+(?:-[\d.]*\d)?)/g,
    ))
      texts.add(text);
  }
  // base-files has them, on every Debian; they are the same for every machine.
  for (const text of texts)
    copyLicence(join('/usr/share/common-licenses', text), join(target, 'common-licenses'), text);
}

export function copyLicence(file: string, directory: string, name: string): void {
  mkdirSync(directory, { recursive: true });
  copyFileSync(file, join(directory, name));
}

function sourceNotice({ name, version, source, sourceVersion }: DebianPackage): string {
  return [
    `What this image has of Debian's package ${name} ${version} is unchanged but for the paths in which programs look for\n`,
    'their loader and libraries, and for debugging symbols. Its source code:\n',
    `https://snapshot.debian.org/package/${source}/${encodeURIComponent(sourceVersion)}/\n`,
  ].join('');
}
