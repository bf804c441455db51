import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { importOrderProblems } from './importOrder.ts';

function problemsOf(files: Readonly<Record<string, string>>): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-house-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), text);
    }
    return importOrderProblems(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('imports down the house, within a folder, of packages and of files outside are fine', () => {
  const files = {
    'cli/main.ts': `import { a } from '../image/a.ts';\nimport x from '../../package.json';\nconst b = await import('./b.ts');`,
    'cli/b.ts': `import { readFileSync } from 'node:fs';\nexport type { A } from '../image/a.ts';`,
    'image/a.ts': `import { BuildError } from '../errors.ts';`,
    'errors.ts': '',
  };
  assert.deepEqual(problemsOf(files), []);
});

test('an import that goes up is found however it is written', () => {
  for (const text of [
    `import { m } from '../cli/m.ts';`,
    `import type {\n  M,\n  N,\n} from "../cli/m.ts";`,
    `export { m } from '../cli/m.ts';`,
    `export * from '../cli/m.ts';`,
    `import '../cli/m.ts';`,
    `const m = await import('../cli/m.ts');`,
  ]) {
    const problems = problemsOf({ 'image/a.ts': text, 'cli/m.ts': '' });
    assert.deepEqual(problems, ['src/image/a.ts imports upwards: src/cli/m.ts'], text);
  }
});

test('circles, missing files and folders without a place are found', () => {
  assert.deepEqual(
    problemsOf({ 'tar/a.ts': `import './b.ts';`, 'tar/b.ts': `import './c.ts';`, 'tar/c.ts': `import './b.ts';` }),
    ['circle: tar/b.ts → tar/c.ts → tar/b.ts'],
  );
  assert.deepEqual(problemsOf({ 'tar/a.ts': `import './gone.ts';` }), [
    'src/tar/a.ts imports src/tar/gone.ts, which is missing',
  ]);
  assert.deepEqual(problemsOf({ 'misc/a.ts': '' }), [
    'src/misc/a.ts: its folder has no place in scripts/importOrder.ts',
  ]);
});
