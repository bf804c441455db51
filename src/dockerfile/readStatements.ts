import { heredocsOfLine, stripLeadingTabs } from './heredoc.ts';
import { trimBlanks, trimStartBlanks } from './blank.ts';
import { locate } from './sourceExcerpt.ts';
import { parseJsonArray } from './jsonArray.ts';
import { splitCommand } from './splitCommand.ts';
import { placeSyntaxError, syntaxError } from './syntaxError.ts';
import type { Dockerfile, Heredoc } from './instruction.ts';
import type { HeredocStart } from './heredoc.ts';
import type { SourceText } from './sourceExcerpt.ts';

/** One instruction's text: continuation joined, comments gone, bodies of heredocs beside it. */
interface Statement {
  readonly text: string;
  readonly heredocs: readonly Heredoc[];
  /** The comment lines directly above, without `#`. */
  readonly comments: readonly string[];
  readonly startLine: number;
  readonly endLine: number;
  /** A blank line stands between the lines of this instruction. */
  readonly emptyContinuation: boolean;
}

export interface Statements {
  readonly escape: Dockerfile['escape'];
  readonly directives: NonNullable<Dockerfile['directives']>;
  readonly statements: readonly Statement[];
}

/** Bytes, without the line's end: the size of the buffer that BuildKit reads lines with. */
const MAX_LINE = 65_535;

/** Lines to statements: directives, comments, continuation, heredocs. */
export function readStatements(source: SourceText): Statements {
  const reader: Reader = { source, lines: linesOf(source), at: 0 };
  const { escape, ...directives } = readDirectives(reader);
  const continuation = escape === '`' ? /(^|[^`])`[ \t]*$/ : /(^|[^\\])\\[ \t]*$/;
  const statements: Statement[] = [];
  let comments: string[] = [];
  for (let line = nextLine(reader); line !== undefined; line = nextLine(reader)) {
    const first = trimStartBlanks(line);
    if (isComment(first)) {
      const comment = trimBlanks(first.slice(1));
      comments = comment === '' ? [] : [...comments, comment];
    } else if (first !== '') {
      statements.push(readStatement(reader, first, continuation, comments));
      comments = [];
    }
  }
  return { escape: escape ?? '\\', directives, statements };
}

interface Reader {
  readonly source: SourceText;
  readonly lines: readonly string[];
  at: number;
}

function linesOf(source: SourceText): readonly string[] {
  const lines = source.lines.at(-1) === '' ? source.lines.slice(0, -1) : source.lines;
  const long = lines.findIndex((line) => line.length * 3 > MAX_LINE && Buffer.byteLength(line) > MAX_LINE);
  if (long >= 0) {
    placeSyntaxError(locate(source, long + 1, long + 1), () => {
      throw syntaxError(`dockerfile line greater than max allowed size of ${MAX_LINE}`);
    });
  }
  return lines;
}

function nextLine(reader: Reader): string | undefined {
  const line = reader.lines[reader.at];
  if (line === undefined) return undefined;
  reader.at++;
  return line.replace(/\r+$/, '');
}

/** Directives stand before anything else, each once; the first line that is none ends them. */
function readDirectives(reader: Reader): { escape?: '\\' | '`'; syntax?: string; check?: string } {
  const directives: { escape?: '\\' | '`'; syntax?: string; check?: string } = {};
  for (;;) {
    const match = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/.exec(
      trimStartBlanks(reader.lines[reader.at] ?? '').replace(/\r+$/, ''),
    );
    const name = match?.[1]?.toLowerCase();
    const value = match?.[2] ?? '';
    if (name !== 'escape' && name !== 'syntax' && name !== 'check') return directives;
    placeSyntaxError(locate(reader.source, reader.at + 1, reader.at + 1), () => {
      if (directives[name] !== undefined) throw syntaxError(`only one ${name} parser directive can be used`);
      if (name !== 'escape') directives[name] = value;
      else if (value === '\\' || value === '`') directives.escape = value;
      else throw syntaxError(`invalid escape token '${value}' does not match \` or \\`);
    });
    reader.at++;
  }
}

function readStatement(reader: Reader, first: string, continuation: RegExp, comments: readonly string[]): Statement {
  const startLine = reader.at;
  const parts: string[] = [];
  let emptyContinuation = false;
  for (let line: string | undefined = first; line !== undefined;) {
    parts.push(line.replace(continuation, '$1'));
    if (!continuation.test(line)) break;
    line = nextLine(reader);
    for (; line !== undefined; line = nextLine(reader)) {
      const content = trimStartBlanks(line);
      if (content === '') emptyContinuation = true;
      else if (!isComment(content)) break;
    }
  }
  const text = parts.join('');
  const heredocs = placeSyntaxError(locate(reader.source, startLine, reader.at), () =>
    mayHoldHeredocs(text) ? heredocsOfLine(text).map((start) => readHeredoc(reader, start)) : [],
  );
  return { text, heredocs, comments, startLine, endLine: reader.at, emptyContinuation };
}

function mayHoldHeredocs(text: string): boolean {
  const { keyword, rest } = splitCommand(text);
  switch (keyword.toLowerCase()) {
    case 'run':
    case 'copy':
    case 'add':
      return parseJsonArray(rest) === undefined;
    case 'onbuild':
      return !/^onbuild\b/i.test(rest) && mayHoldHeredocs(rest);
    default:
      return false;
  }
}

function readHeredoc(reader: Reader, start: HeredocStart): Heredoc {
  let body = '';
  for (;;) {
    const line = reader.lines[reader.at];
    if (line === undefined) {
      throw syntaxError('unterminated heredoc', `The line ${start.name} that ends it is missing.`);
    }
    reader.at++;
    const end = line.replace(/\r+$/, '');
    if ((start.chomp ? end.replace(/^\t+/, '') : end) === start.name) break;
    body += `${line}\n`;
  }
  const content = start.chomp ? stripLeadingTabs(body) : body;
  return content === body ? { ...start, content } : { ...start, content, raw: body };
}

function isComment(line: string): boolean {
  return line.startsWith('#');
}
