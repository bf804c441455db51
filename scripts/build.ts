// Makes dist/, which is what the package ships: ES modules, split so that a command loads only what it needs.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');

const PROGRAMS: readonly { readonly source: string; readonly name: string }[] = [
  { source: 'src/cli/main.ts', name: 'cli' },
  { source: 'src/rootfs/launcher.ts', name: 'launcher' },
];

/** Files that run as threads or processes of their own. All of dist/ is flat, so they find each other as in their folder. */
const started = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('Worker.ts'))
  .map((file) => ({ source: `src/${file}`, name: basename(file, '.ts') }));

const programs = [...PROGRAMS, ...started].filter(({ source }) => existsSync(join(root, source)));

rmSync(join(root, 'dist'), { recursive: true, force: true });
const result = await build({
  absWorkingDir: root,
  entryPoints: programs.map(({ source, name }) => ({ in: source, out: name })),
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node26',
  chunkNames: '[name]-[hash]',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
}).catch(() => process.exit(1));

const outputs = Object.values(result.metafile.outputs);
const bytes = outputs.reduce((sum, { bytes: size }) => sum + size, 0);
process.stdout.write(
  `dist: ${outputs.length} files, ${Math.ceil(bytes / 1024)} KB (${programs.map(({ name }) => name).join(', ')})\n`,
);
