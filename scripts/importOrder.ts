// Checks the order of the house: a folder imports only folders below it, and no file imports in a circle.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** From the top of the house down. A name with an ending is a file of src/ itself. */
const HOUSE = [
  'cli',
  'index.ts',
  'report',
  'imagediff',
  'build',
  'output',
  'cache',
  'plan',
  'dockerfile',
  'context',
  'rootfs',
  'layer',
  'tree',
  'registry',
  'credentials',
  'http',
  'store',
  'events.ts',
  'image',
  'tar',
  'linux',
  'version.ts',
  'byteString.ts',
  'errors.ts',
];

/** One line for each import that goes up or in a circle, and each folder that has no place in the order. */
export function importOrderProblems(sourceDirectory: string): string[] {
  const files = new Map(
    readdirSync(sourceDirectory, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => [file, importsOf(sourceDirectory, file)]),
  );
  const problems: string[] = [];
  for (const [file, targets] of files) {
    if (floorOf(file) < 0) problems.push(`src/${file}: its folder has no place in scripts/importOrder.ts`);
    for (const target of targets) {
      if (!files.has(target) && !target.startsWith('..'))
        problems.push(`src/${file} imports src/${target}, which is missing`);
      if (isUpward(file, target)) problems.push(`src/${file} imports upwards: src/${target}`);
    }
  }
  return [...problems, ...new Set(circles(files))];
}

function floorOf(file: string): number {
  return HOUSE.indexOf(file.split('/', 1)[0] ?? '');
}

function isUpward(file: string, target: string): boolean {
  if (target.startsWith('..')) return false;
  return floorOf(target) < floorOf(file);
}

const IMPORT = /(?:^|[;\s])(?:import|export)\s[^'"`;]*?from\s*['"](\.[^'"]+)['"]|import\s*\(?\s*['"](\.[^'"]+)['"]/g;

function importsOf(sourceDirectory: string, file: string): string[] {
  const text = readFileSync(join(sourceDirectory, file), 'utf8');
  return [...text.matchAll(IMPORT)].map((match) => {
    const target = match[1] ?? match[2] ?? '';
    return relative(sourceDirectory, join(sourceDirectory, dirname(file), target));
  });
}

function circles(files: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const start = path.indexOf(file);
    if (start >= 0) found.push(`circle: ${[...path.slice(start), file].join(' → ')}`);
    if (start >= 0 || done.has(file)) return;
    path.push(file);
    for (const target of files.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of files.keys()) visit(file);
  return found;
}
