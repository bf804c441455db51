import { syntaxError } from './syntaxError.ts';

/** One field of `RUN --mount=`, unexpanded; `value` is absent without `=`. */
export interface MountField {
  /** As written. */
  readonly text: string;
  /** Lower case. */
  readonly key: string;
  readonly value?: string;
}

/**
 * Cuts the value of `--mount` into its fields: one line of CSV.
 * @throws BuildError `DOCKERFILE_SYNTAX`; also if `from` holds a variable, for stages are known before variables
 */
export function parseMountFields(value: string): readonly MountField[] {
  return splitCsv(value).map((text) => {
    const equals = text.indexOf('=');
    if (equals < 0) return { text, key: text.toLowerCase() };
    const field = { text, key: text.slice(0, equals).toLowerCase(), value: text.slice(equals + 1) };
    if (field.key === 'from' && /\$./.test(field.value)) {
      throw syntaxError("'from' doesn't support variable expansion, define alias stage instead");
    }
    return field;
  });
}

function splitCsv(line: string): string[] {
  if (line === '') throw syntaxError('failed to parse csv mounts: EOF');
  const fields: string[] = [];
  for (let at = 0; ; at++) {
    let field = '';
    if (line[at] === '"') {
      [field, at] = readQuoted(line, at + 1);
    } else {
      while (at < line.length && line[at] !== ',') {
        if (line[at] === '"') throw csvError(at, 'bare " in non-quoted field');
        field += line[at++];
      }
    }
    fields.push(field);
    if (at >= line.length) return fields;
  }
}

function readQuoted(line: string, start: number): [string, number] {
  let field = '';
  let at = start;
  for (; at < line.length; at++) {
    if (line[at] !== '"') field += line[at];
    else if (line[at + 1] === '"') field += line[at++];
    else if (at + 1 === line.length || line[at + 1] === ',') return [field, at + 1];
    else throw csvError(at, 'extraneous or missing " in quoted-field');
  }
  throw csvError(at, 'extraneous or missing " in quoted-field');
}

function csvError(at: number, what: string): Error {
  return syntaxError(`failed to parse csv mounts: parse error on line 1, column ${at + 1}: ${what}`);
}
