import { BuildError } from '../errors.ts';
import { expandWords } from './expandWord.ts';
import type { Heredoc } from './instruction.ts';

/** A heredoc announced by a word, its body not read yet. */
export type HeredocStart = Omit<Heredoc, 'content' | 'raw'>;

/**
 * `[n]<<[-]word`; undefined if the word is none. The delimiter may be quoted in whole or in part.
 * @throws BuildError if the quotes of the delimiter are not closed
 */
export function parseHeredocWord(word: string): HeredocStart | undefined {
  const match = /^(\d*)<<(-?)([^<]*)$/.exec(word);
  const delimiter = match?.[3] ?? '';
  if (match === null || delimiter === '') return undefined;
  const names = expandWords(delimiter, unset, { escape: '\\', keepUnset: true });
  const [name] = names;
  if (name === undefined || names.length !== 1) return undefined;
  const [raw = ''] = expandWords(delimiter, unset, { escape: '\\', keepUnset: true, rawQuotes: true });
  return {
    name,
    expand: countQuotes(name) === countQuotes(raw),
    chomp: match[2] === '-',
    fileDescriptor: Number(match[1] ?? ''),
  };
}

/** The heredocs that a line announces, in order. A line whose quotes are not closed announces none. */
export function heredocsOfLine(line: string): readonly HeredocStart[] {
  if (!line.includes('<<')) return [];
  let words: readonly string[];
  try {
    words = expandWords(line, unset, { escape: '\\', rawQuotes: true, rawEscapes: true, keepUnset: true });
  } catch (error) {
    if (error instanceof BuildError) return [];
    throw error;
  }
  return words.flatMap((word) => parseHeredocWord(word) ?? []);
}

/** What `<<-` does to a body. */
export function stripLeadingTabs(body: string): string {
  return body.replace(/^\t+/gm, '');
}

function unset(): undefined {
  return undefined;
}

function countQuotes(text: string): number {
  return text.replace(/[^'"]/g, '').length;
}
