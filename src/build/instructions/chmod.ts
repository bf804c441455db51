import { BuildError } from '../../errors.ts';

/**
 * What `--chmod` makes of a mode: an octal number, or chmod(1)'s symbolic form with umask 0.
 * @throws BuildError `CHMOD_INVALID`
 */
export function parseChmod(text: string): (mode: number, isDirectory: boolean) => number {
  if (/^[0-7]{1,5}$/.test(text) && Number.parseInt(text, 8) <= 0o7777) {
    const fixed = Number.parseInt(text, 8);
    return () => fixed;
  }
  const clauses = text.split(',').map(parseClause);
  if (/^[0-9]/.test(text) || clauses.some((clause) => clause === undefined)) {
    throw new BuildError(
      'CHMOD_INVALID',
      `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`,
      { hint: 'Symbolic modes such as u=rwX,go=rX are understood too.' },
    );
  }
  return (mode, isDirectory) =>
    clauses.reduce(
      (result, clause) => (clause === undefined ? result : applyClause(result, clause, isDirectory)),
      mode,
    );
}

interface Clause {
  readonly who: string;
  readonly actions: readonly { readonly operator: string; readonly permissions: string }[];
}

function parseClause(text: string): Clause | undefined {
  const match = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/.exec(text);
  if (match === null) return undefined;
  const actions = [...(match[2] ?? '').matchAll(/([-+=])([rwxXstugo]*)/g)].map(
    ([, operator = '', permissions = '']) => ({
      operator,
      permissions,
    }),
  );
  return { who: match[1] ?? '', actions };
}

function applyClause(start: number, clause: Clause, isDirectory: boolean): number {
  const who = clause.who === '' || clause.who.includes('a') ? 'ugo' : clause.who;
  let mode = start;
  for (const { operator, permissions } of clause.actions) {
    const bits = bitsFor(who, permissions, mode, isDirectory);
    if (operator === '+') mode |= bits;
    else if (operator === '-') mode &= ~bits;
    else mode = (mode & ~assignable(who, isDirectory)) | bits;
  }
  return mode;
}

const SHIFT: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };

function bitsFor(who: string, permissions: string, mode: number, isDirectory: boolean): number {
  let triple = 0;
  let special = 0;
  for (const permission of permissions) {
    if (permission === 'r') triple |= 4;
    else if (permission === 'w') triple |= 2;
    else if (permission === 'x') triple |= 1;
    else if (permission === 'X') triple |= isDirectory || (mode & 0o111) !== 0 ? 1 : 0;
    else if (permission === 's') special |= (who.includes('u') ? 0o4000 : 0) | (who.includes('g') ? 0o2000 : 0);
    else if (permission === 't') special |= 0o1000;
    else triple |= (mode >> (SHIFT[permission] ?? 0)) & 7;
  }
  let bits = special;
  for (const whom of who) bits |= triple << (SHIFT[whom] ?? 0);
  return bits;
}

/** What `=` clears; a directory keeps its setuid and setgid bits, as GNU chmod leaves them. */
function assignable(who: string, isDirectory: boolean): number {
  let bits = who === 'ugo' && !isDirectory ? 0o1000 : 0;
  for (const whom of who) bits |= 7 << (SHIFT[whom] ?? 0);
  if (!isDirectory) bits |= (who.includes('u') ? 0o4000 : 0) | (who.includes('g') ? 0o2000 : 0);
  return bits;
}
