// Makes dist/, which is what the package ships: ES modules, split so that a command loads only what it needs.
import { readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build, type BuildOptions } from 'esbuild';

const root = join(import.meta.dirname, '..');

/** Files that run as threads or processes of their own. All of dist/ is flat, so they find each other as in their folder. */
const workers = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('Worker.ts'),
);

const common = {
  absWorkingDir: root,
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node26',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
} as const satisfies BuildOptions;

rmSync(join(root, 'dist'), { recursive: true, force: true });
const results = await Promise.all([
  build({
    ...common,
    entryPoints: [{ in: 'src/cli/main.ts', out: 'cli' }],
    splitting: true,
    chunkNames: '[name]-[hash]',
  }),
  // Each a single file: one that is started for every RUN must not look for others.
  build({
    ...common,
    entryPoints: ['src/rootfs/launcher.ts', ...workers.map((file) => `src/${file}`)].map((file) => ({
      in: file,
      out: basename(file, '.ts'),
    })),
  }),
]).catch(() => process.exit(1));

const outputs = results.flatMap(({ metafile }) => Object.values(metafile.outputs));
const bytes = outputs.reduce((sum, { bytes: size }) => sum + size, 0);
process.stdout.write(`dist: ${outputs.length} files, ${Math.ceil(bytes / 1024)} KB\n`);
