import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findProgram, ProgramError } from './findProgram.ts';

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'kasane-program-'));
  for (const name of ['first', 'second', 'first/both']) mkdirSync(join(directory, name));
  for (const [name, mode] of [
    ['first/plain', 0o644],
    ['second/plain', 0o644],
    ['second/both', 0o755],
    ['second/only', 0o755],
  ] as const) {
    writeFileSync(join(directory, name), '');
    chmodSync(join(directory, name), mode);
  }
});
after(() => rmSync(directory, { recursive: true }));

for (const [name, expected] of [
  ['only', 'second/only'],
  ['both', 'second/both'],
  ['second/only', 'second/only'],
] as const) {
  test(`${name} is found as a shell finds it`, () => {
    const wanted = join(directory, expected);
    const asked = name.includes('/') ? wanted : name;
    assert.equal(findProgram(asked, `${directory}/none::${directory}/first:${directory}/second`), wanted);
  });
}

for (const [name, path, exitCode, message] of [
  ['missing', 'first', 127, 'exec: "missing": executable file not found in $PATH'],
  ['plain', 'first', 126, 'exec: "plain": permission denied'],
  ['only', '', 127, 'exec: "only": executable file not found in $PATH'],
  ['', 'first', 126, 'exec: "": permission denied'],
  ['/none/such', 'first', 127, 'exec: "/none/such": stat /none/such: no such file or directory'],
] as const) {
  test(`${name || 'an empty name'} in ${path || 'an empty PATH'} ends with ${exitCode}`, () => {
    assert.throws(
      () => findProgram(name, path === '' ? '' : join(directory, path)),
      (error) => {
        assert.ok(error instanceof ProgramError);
        assert.deepEqual({ exitCode: error.exitCode, message: error.message }, { exitCode, message });
        return true;
      },
    );
  });
}
