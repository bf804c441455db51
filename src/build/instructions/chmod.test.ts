import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { BuildError } from '../../errors.ts';
import { temporaryDirectory } from '../../layer/sampleLayers.ts';
import { parseChmod } from './chmod.ts';

const MODES = [0o644, 0o755, 0o600, 0o6711, 0o1777, 0];
const SYMBOLIC = [
  'u=rwX,go=rX',
  'a+x',
  '+x',
  'go-rwx',
  'u+s',
  'g+s',
  '+t',
  'u=s',
  'o=t',
  'a=',
  'u=rw,g=u,o=g',
  'g+u-w',
  'ug=rw+X',
  'u-s,g-s',
  '=r',
  'a=rwxst',
  'o+u',
  'u=,g+w',
  'u+t',
  'o-t',
  'g=s',
  'ug+s',
  'o+s',
  'a-s',
  '-x+X',
  'u=g,g=o,o=u',
];

test('symbolic modes mean what chmod(1) makes of them under umask 0', (t) => {
  const directory = temporaryDirectory(t);
  for (const isDirectory of [false, true]) {
    const paths = MODES.map((mode) => join(directory, `${isDirectory ? 'd' : 'f'}${mode}`));
    for (const path of paths) {
      if (isDirectory) mkdirSync(path);
      else writeFileSync(path, '');
    }
    for (const text of SYMBOLIC) {
      for (const [index, path] of paths.entries()) chmodSync(path, MODES[index] ?? 0);
      spawnSync('sh', ['-c', 'umask 0; exec chmod "$@"', 'sh', '--', text, ...paths]);
      for (const [index, path] of paths.entries()) {
        const mode = MODES[index] ?? 0;
        const expected = (lstatSync(path).mode & 0o7777).toString(8);
        const what = `${text} on ${isDirectory ? 'directory' : 'file'} ${mode.toString(8)}`;
        assert.equal(parseChmod(text)(mode, isDirectory).toString(8), expected, what);
      }
    }
  }
});

suite('octal modes are taken as they are', () => {
  for (const [text, mode] of [
    ['0', 0],
    ['755', 0o755],
    ['0644', 0o644],
    ['7777', 0o7777],
    ['04755', 0o4755],
  ] as const) {
    test(text, () => {
      assert.equal(parseChmod(text)(0o123, false), mode);
      assert.equal(parseChmod(text)(0o123, true), mode);
    });
  }
});

suite('anything else is an error', () => {
  for (const text of [
    '',
    '8',
    '888',
    '10000',
    '77777',
    'u',
    'rwx',
    'u+z',
    'x+r',
    'u=rw,',
    ',u=r',
    '0x1',
    '-1',
    'u=gr',
    '755,u+x',
  ]) {
    test(JSON.stringify(text), () => {
      assert.throws(
        () => parseChmod(text),
        (error) => error instanceof BuildError && error.code === 'CHMOD_INVALID' && error.message.includes(`'${text}'`),
      );
    });
  }
});
