import { BuildError } from '../../errors.ts';

/**
 * What `--chmod` makes of a mode: an octal number, or GNU chmod's symbolic form with umask 0.
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

function applyClause(start: number, { who, actions }: Clause, isDirectory: boolean): number {
  let affected = who === '' ? ALL : 0;
  for (const whom of who) affected |= AFFECTED[whom] ?? 0;
  let mode = start;
  for (const { operator, permissions } of actions) {
    const named = bitsOf(permissions, mode, isDirectory) & affected;
    // A directory's setuid and setgid bits change only if they are named.
    const kept = isDirectory ? SET_IDS & ~named : 0;
    if (operator === '+') mode |= named;
    else if (operator === '-') mode &= ~named;
    else mode = (mode & (~affected | kept)) | named;
  }
  return mode;
}

const ALL = 0o7777;
const SET_IDS = 0o6000;

/** What a class of users owns of a mode, as GNU chmod has it: the sticky bit is the others'. */
const AFFECTED: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: ALL };

const PERMISSIONS: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111, s: SET_IDS, t: 0o1000 };

/** Permissions for every class of users. */
function bitsOf(permissions: string, mode: number, isDirectory: boolean): number {
  let bits = 0;
  for (const permission of permissions) {
    if (permission === 'X') bits |= isDirectory || (mode & 0o111) !== 0 ? 0o111 : 0;
    else if (permission === 'u') bits |= ((mode >> 6) & 7) * 0o111;
    else if (permission === 'g') bits |= ((mode >> 3) & 7) * 0o111;
    else if (permission === 'o') bits |= (mode & 7) * 0o111;
    else bits |= PERMISSIONS[permission] ?? 0;
  }
  return bits;
}
