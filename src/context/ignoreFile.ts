import { cleanGoPath } from './goPattern.ts';

/** One pattern of an ignore file: cleaned, an exception with its `!`; `line` counts from 1. */
export interface IgnorePattern {
  readonly pattern: string;
  readonly line: number;
}

/**
 * The patterns of a `.dockerignore`, as moby's ignorefile reads them: a `#` in the first column starts a comment, patterns are
 * trimmed and cleaned, a leading slash is dropped.
 */
export function parseIgnoreFile(text: string): readonly IgnorePattern[] {
  const patterns: IgnorePattern[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    if (line.startsWith('#')) continue;
    const trimmed = trimSpace(line);
    if (trimmed === '') continue;
    const exception = trimmed.startsWith('!');
    const pattern = cleanPattern(exception ? trimSpace(trimmed.slice(1)) : trimmed);
    patterns.push({ pattern: exception ? `!${pattern}` : pattern, line: index + 1 });
  }
  return patterns;
}

/** Go's `strings.TrimSpace`: JavaScript's `trim` knows another set of spaces. */
export function trimSpace(text: string): string {
  return text.replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '');
}

function cleanPattern(pattern: string): string {
  if (pattern === '') return '';
  const cleaned = cleanGoPath(pattern);
  return cleaned.length > 1 && cleaned.startsWith('/') ? cleaned.slice(1) : cleaned;
}
