import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fromText } from '../byteString.ts';
import { openBuildContext } from './buildContext.ts';
import { findDockerfile, readIgnoreFile } from './dockerfile.ts';

function makeFiles(t: TestContext, files: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-context-'));
  t.after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  for (const file of ['ctx/.keep', 'cwd/.keep', ...files]) {
    mkdirSync(join(directory, dirname(file)), { recursive: true });
    writeFileSync(join(directory, file), file);
  }
  return directory;
}

const FOUND: readonly [dockerfile: string, files: string[], found: string][] = [
  ['Dockerfile', ['cwd/Dockerfile', 'ctx/Dockerfile'], 'cwd/Dockerfile'],
  ['Dockerfile', ['ctx/Dockerfile', 'ctx/dockerfile'], 'ctx/Dockerfile'],
  ['Dockerfile', ['ctx/dockerfile'], 'ctx/dockerfile'],
  ['docker/prod.Dockerfile', ['ctx/docker/prod.Dockerfile'], 'ctx/docker/prod.Dockerfile'],
  ['docker/Dockerfile', ['ctx/docker/dockerfile'], 'ctx/docker/dockerfile'],
  ['Dockerfile', ['cwd/Dockerfile/x', 'ctx/Dockerfile'], 'ctx/Dockerfile'],
];

for (const [dockerfile, files, found] of FOUND) {
  test(`${dockerfile} among ${files.join(', ')} is ${found}`, async (t) => {
    const directory = makeFiles(t, files);
    const context = await openBuildContext({ context: join(directory, 'ctx'), cwd: '/', scratchDirectory: directory });
    assert.equal(findDockerfile(dockerfile, context, join(directory, 'cwd')), join(directory, found));
  });
}

test("a missing Dockerfile is an error in kaniko's words", async (t) => {
  const directory = makeFiles(t, []);
  const context = await openBuildContext({ context: join(directory, 'ctx'), cwd: '/', scratchDirectory: directory });
  assert.throws(() => findDockerfile('other', context, directory), {
    code: 'DOCKERFILE_NOT_FOUND',
    message: 'please provide a valid path to a Dockerfile within the build context with --dockerfile',
  });
});

test("a Dockerfile's own ignore file counts instead of the context's", async (t) => {
  const directory = makeFiles(t, ['ctx/Dockerfile', 'ctx/Dockerfile.dockerignore', 'ctx/.dockerignore']);
  const context = await openBuildContext({ context: join(directory, 'ctx'), cwd: '/', scratchDirectory: directory });
  const dockerfile = join(context.directory, 'Dockerfile');
  const excludes = (path: string): boolean | undefined => readIgnoreFile(dockerfile, context)?.excludes(fromText(path));
  assert.equal(excludes('ctx/Dockerfile.dockerignore'), true);
  assert.equal(excludes('ctx/.dockerignore'), false);
  rmSync(`${dockerfile}.dockerignore`);
  assert.equal(excludes('ctx/.dockerignore'), true);
  rmSync(join(context.directory, '.dockerignore'));
  assert.equal(excludes('ctx/.dockerignore'), undefined);
});

test('Dockerfile and ignore file of a Kubernetes configMap are links, and so may the context be', async (t) => {
  const directory = makeFiles(t, ['volume/..2026_01/Dockerfile', 'volume/..2026_01/ignore']);
  const volume = join(directory, 'volume');
  symlinkSync('..2026_01', join(volume, '..data'));
  symlinkSync('..data/Dockerfile', join(volume, 'Dockerfile'));
  symlinkSync('..data/ignore', join(volume, '.dockerignore'));
  symlinkSync('volume', join(directory, 'workspace'));
  const context = await openBuildContext({
    context: join(directory, 'workspace'),
    cwd: '/',
    scratchDirectory: directory,
  });
  const dockerfile = findDockerfile('Dockerfile', context, '/');
  assert.equal(readFileSync(dockerfile, 'utf8'), 'volume/..2026_01/Dockerfile');
  assert.equal(readIgnoreFile(dockerfile, context)?.excludes(fromText('volume/..2026_01/ignore')), true);
});
