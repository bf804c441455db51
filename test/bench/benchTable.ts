import { readFileSync, writeFileSync } from 'node:fs';
import type { PushedImage } from './benchRegistry.ts';
import type { Measured } from './measure.ts';
import type { Work } from './works.ts';

export interface Run extends Measured {
  readonly work: string;
  readonly builder: string;
  readonly image: PushedImage;
}

const COLUMNS: readonly { readonly title: string; readonly of: (run: Run) => number; readonly digits: number }[] = [
  { title: 'CPU s', of: (run) => run.cpu, digits: 2 },
  { title: 'wall s', of: (run) => run.wall, digits: 2 },
  { title: 'peak MB', of: (run) => run.memory / 1e6, digits: 0 },
  { title: 'new layers kB', of: (run) => run.image.ownSize / 1e3, digits: 1 },
];

/** Medians as a Markdown table: each cell is the first builder's, the second's, and the first as a part of the second. */
export function benchTable(runs: readonly Run[], works: readonly Work[], builders: readonly string[]): string {
  const [ours = '', theirs = ''] = builders;
  const rows = works.flatMap(({ name, title }) => {
    const cells = COLUMNS.map(({ of, digits }) => {
      const [a, b] = [ours, theirs].map((builder) =>
        median(runs.filter((run) => run.work === name && run.builder === builder).map(of)),
      );
      if (a === undefined || b === undefined) return '–';
      return `${a.toFixed(digits)} / ${b.toFixed(digits)}${b > 0 ? ` (${(a / b).toFixed(2)})` : ''}`;
    });
    return [[title, ...cells]];
  });
  const head = [`${ours} / ${theirs} (ratio)`, ...COLUMNS.map(({ title }) => title)];
  return [head, head.map((_, index) => (index === 0 ? '---' : '--:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

const MARKS = ['<!-- table -->\n', '<!-- end of table -->'] as const;

/** Puts text between the marks of a page. */
export function writeBetweenMarks(page: string, text: string): void {
  const old = readFileSync(page, 'utf8');
  const [start, end] = [old.indexOf(MARKS[0]), old.indexOf(MARKS[1])];
  if (start < 0 || end < start) throw new Error(`${page} has no place for a table`);
  writeFileSync(page, `${old.slice(0, start + MARKS[0].length)}\n${text}\n${old.slice(end)}`);
}
