import { resolve } from 'node:path';
import { BuildError } from '../errors.ts';

/** Attributes that say how buildx writes its own cache, and mean nothing for ours. */
const IGNORED: ReadonlySet<string> = new Set([
  'mode',
  'compression',
  'compression-level',
  'force-compression',
  'oci-mediatypes',
  'image-manifest',
  'ignore-error',
  'registry.insecure',
]);

/**
 * Where `--cache-from` and `--cache-to` lead, in buildx's spelling: `type=registry,ref=…`, `type=local,src=…` or `dest=…`, a repository
 * alone. Gives what `--cache-repo` takes. Of a reference the repository counts: each step has a tag of its own there.
 * @throws BuildError `FLAG_INVALID`, `FLAG_UNSUPPORTED`
 */
export function cachePlaces(
  flag: 'cache-from' | 'cache-to',
  values: readonly string[],
  workingDirectory: string,
): readonly string[] {
  return values.map((value) => placeOf(flag, value, workingDirectory));
}

function placeOf(flag: 'cache-from' | 'cache-to', value: string, workingDirectory: string): string {
  const invalid = (why: string): BuildError =>
    new BuildError('FLAG_INVALID', `invalid argument ${JSON.stringify(value)} for "--${flag}" flag: ${why}`, {
      hint: `It is type=registry,ref=REPOSITORY or type=local,${flag === 'cache-from' ? 'src' : 'dest'}=DIRECTORY.`,
    });
  if (!value.includes('=')) {
    if (value === '') throw invalid('it is empty');
    return value.startsWith('oci:') ? directoryPlace(value.slice(4), workingDirectory) : value;
  }
  const fields = new Map(
    value.split(',').map((field): [string, string] => {
      const equals = field.indexOf('=');
      if (equals < 0) throw invalid(`${JSON.stringify(field)} is not key=value`);
      return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)];
    }),
  );
  const type = fields.get('type') ?? 'registry';
  const key = placeKey(flag, type);
  if (key === undefined) throw unsupportedType(flag, type);
  for (const name of fields.keys()) {
    if (name !== 'type' && name !== key && !IGNORED.has(name)) throw invalid(`${type} caches have no ${name}`);
  }
  const place = fields.get(key) ?? '';
  if (place === '') throw invalid(`${key} is missing`);
  return type === 'local' ? directoryPlace(place, workingDirectory) : place;
}

function placeKey(flag: 'cache-from' | 'cache-to', type: string): string | undefined {
  if (type === 'registry') return 'ref';
  if (type !== 'local') return undefined;
  return flag === 'cache-from' ? 'src' : 'dest';
}

function directoryPlace(path: string, workingDirectory: string): string {
  return `oci:${resolve(workingDirectory, path)}`;
}

function unsupportedType(flag: string, type: string): BuildError {
  const inline = type === 'inline';
  return new BuildError('FLAG_UNSUPPORTED', `--${flag} type=${type} is not supported`, {
    hint: inline
      ? 'An image can hold the cache of its own last stage only: use type=registry,ref=REPOSITORY/cache.'
      : 'Caches are kept in a registry (type=registry,ref=REPOSITORY) or a directory (type=local).',
  });
}
