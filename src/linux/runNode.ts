import { spawnSync } from 'node:child_process';

/**
 * For tests of what changes a whole process: runs statements in a Node of their own, the modules of this folder imported
 * under their names, and gives what they print as JSON with `print(value)`.
 */
export function runNode(modules: readonly string[], statements: string, wrapper: readonly string[] = []): unknown {
  const imports = modules.map((name) => {
    return `import * as ${name}_ from ${JSON.stringify(new URL(`${name}.ts`, import.meta.url).href)};`;
  });
  const program = [
    "import fs from 'node:fs';",
    ...imports,
    "const print = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n');",
    'const attempt = (call) => { try { call(); return null; } catch (error) { return error.code; } };',
    statements,
  ].join('\n');
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];
  const [command = '', ...args] = [...wrapper, ...node];
  const { status, signal, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`exit ${status ?? signal}: ${stderr}`);
  return JSON.parse(stdout);
}
