import type { FieldDifference, PathDifference } from './difference.ts';

export interface Comparison {
  readonly rootfs: Iterable<PathDifference>;
  readonly configuration: readonly FieldDifference[];
}

/** Tells two images' differences, each as soon as it is found. Gives how many there are. */
export function writeReport(comparison: Comparison, format: 'text' | 'json', write: (text: string) => void): number {
  return format === 'json' ? writeJson(comparison, write) : writeText(comparison, write);
}

function writeText({ rootfs, configuration }: Comparison, write: (text: string) => void): number {
  let paths = 0;
  for (const difference of rootfs) {
    if (paths++ === 0) write('Root file system\n');
    write(pathText(difference));
  }
  if (configuration.length > 0) write('Configuration\n');
  for (const field of configuration) write(`  ~ ${fieldText(field)}\n`);
  const count = paths + configuration.length;
  write(
    count === 0
      ? 'No differences\n'
      : `${plural(paths, 'path differs', 'paths differ')}, ${plural(configuration.length, 'configuration field', 'configuration fields')}\n`,
  );
  return count;
}

function pathText(difference: PathDifference): string {
  if (difference.kind === 'changed') {
    return `  ~ ${difference.path}\n${difference.fields.map((field) => `      ${fieldText(field)}\n`).join('')}`;
  }
  const [mark, side] = difference.kind === 'only-in-a' ? ['-', 'A'] : ['+', 'B'];
  const below = difference.below === 0 ? '' : `, and ${plural(difference.below, 'entry', 'entries')} below`;
  return `  ${mark} ${difference.path} (${difference.type} only in ${side}${below})\n`;
}

function fieldText({ field, a, b }: FieldDifference): string {
  return `${field}: ${valueText(a)} → ${valueText(b)}`;
}

const LONGEST = 200;

function valueText(value: string | undefined): string {
  if (value === undefined) return '(none)';
  if (value === '') return '""';
  return value.length > LONGEST ? `${value.slice(0, LONGEST)}… (${value.length} characters)` : value;
}

function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Written piece by piece: `{"rootfs": […], "configuration": […], "equal": …}`. */
function writeJson({ rootfs, configuration }: Comparison, write: (text: string) => void): number {
  let paths = 0;
  write('{"rootfs":[');
  for (const difference of rootfs) write(`${paths++ === 0 ? '' : ','}\n${JSON.stringify(difference, nullForNone)}`);
  const count = paths + configuration.length;
  write(`],\n"configuration":${JSON.stringify(configuration, nullForNone)},\n"equal":${count === 0}}\n`);
  return count;
}

function nullForNone(_key: string, value: unknown): unknown {
  return value ?? null;
}
