// Writes docs/flags.md from the flag table: `bin/node scripts/flagsPage.ts`. `npm run check` sees whether it is up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutorFlag } from '../src/cli/flags/executorFlag.ts';
import { cacheFlags } from '../src/cli/flags/cacheFlags.ts';
import { buildFlags } from '../src/cli/flags/executorFlags.ts';
import { logFlags } from '../src/cli/flags/logFlags.ts';
import { outputFlags } from '../src/cli/flags/outputFlags.ts';
import { registryFlags } from '../src/cli/flags/registryFlags.ts';
import { sourceFlags } from '../src/cli/flags/sourceFlags.ts';
import { argumentName, currentAliases, defaultText } from '../src/cli/flagUsage.ts';

const FILE = join(import.meta.dirname, '..', 'docs', 'flags.md');

const CHAPTERS: readonly (readonly [title: string, flags: Readonly<Record<string, ExecutorFlag>>])[] = [
  ['What is built', sourceFlags],
  ['Where it goes', outputFlags],
  ['Registries', registryFlags],
  ['Cache', cacheFlags],
  ['Log', logFlags],
];

/** What the page should say; undefined if that is what it says. */
export function flagsPageProblem(): string | undefined {
  return readFileSync(FILE, 'utf8') === flagsPage()
    ? undefined
    : 'docs/flags.md is old: run bin/node scripts/flagsPage.ts';
}

function flagsPage(): string {
  return `${INTRODUCTION}${CHAPTERS.map(([title, flags]) => chapter(title, flags)).join('')}`;
}

const INTRODUCTION = `# Flags

<!-- Made by scripts/flagsPage.ts from the flag table; don't edit. -->

The same flags work for kaniko's face (\`executor …\`, \`bin/executor\`) and for \`kasane build …\`. A value follows after \`=\` or as the next word; a
switch takes its value only after \`=\` (\`--no-push=false\`). "Default" is that of \`executor\`, then that of \`kasane build\` where it differs. "Also" lists other spellings; those in
brackets are deprecated. Flags that are marked **without effect** are accepted; those that are marked **unsupported** end the
program with \`FLAG_UNSUPPORTED\` before anything is built.
`;

function chapter(title: string, flags: Readonly<Record<string, ExecutorFlag>>): string {
  const rows = Object.entries(flags)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, flag]) => row(name, flag));
  return `\n## ${title}\n\n| flag | default | also | meaning |\n| --- | --- | --- | --- |\n${rows.join('')}`;
}

function row(name: string, flag: ExecutorFlag): string {
  const own = (buildFlags as Readonly<Record<string, ExecutorFlag>>)[name] ?? flag;
  const argument = argumentName(flag);
  const short = flag.shorthand === undefined ? '' : `\`-${flag.shorthand}\`, `;
  const head = `${short}\`--${name}${argument === '' ? '' : ` ${argument}`}\``;
  const defaults = [...new Set([defaultText(flag), defaultText(own)])].filter((text) => text !== '');
  const deprecated = (own.aliases ?? []).filter((alias) => alias.deprecated === true);
  const also = [
    ...currentAliases(own).map((text) => `\`${text}\` (kasane build)`),
    ...deprecated.map((alias) => `[\`--${alias.name}\`]`),
    ...(flag.environment === undefined ? [] : [`\`$${flag.environment.name}\``]),
  ];
  const cells = [
    head,
    defaults.map((text) => `\`${text}\``).join(', '),
    also.join(', '),
    `${flag.help}${limits(flag)}`,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
}

function limits({ support }: ExecutorFlag): string {
  if (support === undefined) return '';
  const mark = { 'no-effect': 'Without effect', pending: 'Accepted with a warning', unsupported: 'Unsupported' };
  return ` **${mark[support.level]}**: ${support.because}.`;
}

if (process.argv[1] === import.meta.filename) writeFileSync(FILE, flagsPage());
