import { invalid } from './stageState.ts';

const CLAUSE = /^[ugoa]*(?:[-+=](?:[ugo]|[rwxXst]*))+$/;

/**
 * Checks the value of `--chmod`: octal up to 7777, or symbolic as chmod(1) has it.
 * @throws BuildError `INSTRUCTION_INVALID`
 */
export function checkFileMode(mode: string): void {
  const octal = /^[0-7]+$/.test(mode) && Number.parseInt(mode, 8) <= 0o7777;
  if (octal || (/[-+=]/.test(mode) && mode.split(',').every((clause) => CLAUSE.test(clause)))) return;
  throw invalid(
    `invalid chmod parameter: '${mode}'. it should be octal string and between 0 and 07777`,
    'Symbolic modes such as u=rwX,go=rX are understood, too.',
  );
}
