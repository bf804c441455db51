import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasProgram, runProgram } from './program.ts';

/** One archive of this machine's apt configuration. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
}

/** The binary archives whose suites are of a release (`bookworm`, `bookworm-updates`, …). */
export function aptSources(release: string): AptSource[] {
  const directory = '/etc/apt/sources.list.d';
  const files = existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
  const sources: AptSource[] = [];
  for (const file of ['/etc/apt/sources.list', ...files]) {
    if (!existsSync(file)) continue;
    const text = readFileSync(file, 'utf8').replace(/^\s*#.*\n?/gm, '');
    if (file.endsWith('.list')) sources.push(...oneLineSources(text));
    if (file.endsWith('.sources')) sources.push(...deb822Sources(text));
  }
  return sources.filter(
    ({ suite, components }) => (suite === release || suite.startsWith(`${release}-`)) && components.includes('main'),
  );
}

/** What of this machine's apt configuration is about how archives are reached, as lines of an apt.conf. */
export function aptAcquireSettings(): string {
  if (!hasProgram('apt-config')) return '';
  const wanted = /^Acquire::(?:https?::|Retries|Check-)/;
  return runProgram('apt-config', ['dump'])
    .split('\n')
    .filter((line) => wanted.test(line))
    .join('\n');
}

/** The proxy that apt uses for http, if any. */
export function aptProxy(): string | undefined {
  return /^Acquire::http::Proxy "([^"]+)";/m.exec(aptAcquireSettings())?.[1];
}

function oneLineSources(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$/.exec(line.trim());
    if (match === null) return [];
    return [{ uri: match[1] ?? '', suite: match[2] ?? '', components: (match[3] ?? '').trim().split(/\s+/) }];
  });
}

function deb822Sources(text: string): AptSource[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const words = (field: string): string[] =>
      (new RegExp(`^${field}:[ \\t]*(.*(?:\\n[ \\t].*)*)`, 'im').exec(paragraph)?.[1] ?? '')
        .split(/\s+/)
        .filter(Boolean);
    if (!words('Types').includes('deb') || words('Enabled').includes('no')) return [];
    const components = words('Components');
    return words('URIs').flatMap((uri) => words('Suites').map((suite) => ({ uri, suite, components })));
  });
}
