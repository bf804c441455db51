import { readFileSync } from 'node:fs';
import { BuildError, messageOf } from '../../errors.ts';
import type { SecretSource } from '../request.ts';

/** BuildKit's limit, in bytes. */
const MAX_SECRET = 500 << 10;

/**
 * A secret's bytes; undefined if the request has none of that name.
 * @param root says where a file lies now
 * @throws BuildError `SECRET_UNREADABLE`, never with the content
 */
export function secretValue(
  id: string,
  secrets: readonly SecretSource[],
  environment: Readonly<Record<string, string | undefined>>,
  root: { readonly resolve: (path: string) => string | Buffer },
): Buffer | undefined {
  const secret = secrets.find((candidate) => candidate.id === id);
  if (secret === undefined) return undefined;
  const value =
    secret.kind === 'file' ? readSecret(id, root.resolve(secret.path)) : readVariable(id, secret.variable, environment);
  if (value.length <= MAX_SECRET) return value;
  throw new BuildError('SECRET_UNREADABLE', `secret ${id} is larger than ${MAX_SECRET} bytes`);
}

function readSecret(id: string, path: string | Buffer): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new BuildError('SECRET_UNREADABLE', `can't read secret ${id}: ${messageOf(error)}`, { cause: error });
  }
}

function readVariable(id: string, name: string, environment: Readonly<Record<string, string | undefined>>): Buffer {
  const value = environment[name];
  if (value !== undefined) return Buffer.from(value);
  throw new BuildError(
    'SECRET_UNREADABLE',
    `secret ${id} is to come from the environment variable ${name}, which is not set`,
  );
}
