import type { SourceLocation } from '../errors.ts';

const RULE = '-'.repeat(20);

/** A file as its lines; what locations are made from. */
export interface SourceText {
  readonly file: string;
  readonly lines: readonly string[];
}

export function sourceText(text: string, file: string): SourceText {
  return { file, lines: text.replace(/^\uFEFF/, '').split('\n') };
}

/**
 * The lines `start` to `end` (numbered from 1, inclusive) with some lines around them, between two rules, the lines
 * themselves marked `>>>`, as BuildKit prints them below `FILE:LINE`.
 */
export function sourceExcerpt(text: string | readonly string[], start: number, end: number): string {
  const lines = typeof text === 'string' ? text.split('\n') : text;
  const last = Math.min(Math.max(end, start), lines.length);
  const [from, to] = widen(start, last, lines.length);
  const shown = lines.slice(from - 1, to).map((line, index) => {
    const number = from + index;
    const mark = number >= start && number <= last ? '>>>' : '   ';
    return ` ${String(number).padStart(3)} | ${mark} ${line.replace(/\r$/, '')}`;
  });
  return [RULE, ...shown, RULE].join('\n');
}

/** A place in a Dockerfile; its excerpt is made when it is read. */
export function locate(source: SourceText, startLine: number, endLine: number): SourceLocation {
  return {
    file: source.file,
    startLine,
    endLine,
    get excerpt() {
      return sourceExcerpt(source.lines, startLine, endLine);
    },
  };
}

/** As BuildKit does: lines are added at both ends by turns, fewer of them if several lines are marked. */
function widen(start: number, end: number, lineCount: number): [number, number] {
  const wanted = start === end ? 4 : 2;
  let from = start;
  let to = end;
  for (let added = 0; added < wanted; added++) {
    if (from > 1) {
      from--;
      added++;
    }
    if (to < lineCount) {
      to++;
      added++;
    }
  }
  return [from, to];
}
