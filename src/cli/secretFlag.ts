import type { SecretSource } from '../build/request.ts';
import { BuildError } from '../errors.ts';

/**
 * The values of `--secret`, by kaniko's and buildx's rules: `id=ID[,src|source=PATH][,env=VAR][,type=file|env]`. Without a type `env=` and
 * `src=` say what it is, else a variable of the id's name, else a file of that name.
 * @throws BuildError `FLAG_INVALID`
 */
export function parseSecrets(
  values: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  absolute: (path: string) => string,
): SecretSource[] {
  const secrets = values.map((value) => parseSecret(value, environment, absolute));
  for (const [index, { id }] of secrets.entries()) {
    if (secrets.findIndex((other) => other.id === id) !== index) throw invalid(`duplicate secret id ${id}`);
  }
  return secrets;
}

function parseSecret(
  value: string,
  environment: Readonly<Record<string, string | undefined>>,
  absolute: (path: string) => string,
): SecretSource {
  const { id, src, env, type } = fieldsOf(value);
  if (id === undefined || id === '') throw invalid('secret requires id=ID');
  if (type !== undefined && type !== 'file' && type !== 'env') throw invalid(`unsupported secret type ${type}`);
  if (src !== undefined && env !== undefined) throw invalid('only one of src or env may be specified');
  if (type === 'file' && env !== undefined) throw invalid(`secret ${id}: env= does not go with type=file`);
  const variable = env ?? (type === 'env' ? (src ?? id) : undefined);
  if (variable !== undefined || (type === undefined && src === undefined && environment[id] !== undefined)) {
    const name = variable ?? id;
    if (environment[name] === undefined) throw invalid(`secret ${id}: the environment variable ${name} is not set`);
    return { id, kind: 'env', variable: name };
  }
  return { id, kind: 'file', path: absolute(src ?? id) };
}

const KEYS: Readonly<Record<string, 'id' | 'src' | 'env' | 'type'>> = {
  id: 'id',
  src: 'src',
  source: 'src',
  env: 'env',
  type: 'type',
};

function fieldsOf(value: string): { id?: string; src?: string; env?: string; type?: string } {
  const fields: { id?: string; src?: string; env?: string; type?: string } = {};
  for (const part of value.split(',')) {
    const equals = part.indexOf('=');
    const key = equals < 0 ? undefined : KEYS[part.slice(0, equals).trim().toLowerCase()];
    if (key === undefined) throw invalid(`unexpected field ${JSON.stringify(part)} in --secret`);
    fields[key] = part.slice(equals + 1).trim();
  }
  return fields;
}

function invalid(message: string): BuildError {
  return new BuildError('FLAG_INVALID', message, {
    hint: '--secret takes id=ID,src=PATH or id=ID,env=NAME.',
  });
}
