import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { BuildError, hasErrno, messageOf } from '../errors.ts';
import type { Credential } from './credential.ts';

/** A docker `config.json` or podman `auth.json`. Keys are as written there. */
export interface ConfigFile {
  readonly path: string;
  readonly credentials: ReadonlyMap<string, Credential>;
  /** Registry to the helper's name, without `docker-credential-`. */
  readonly credentialHelpers: ReadonlyMap<string, string>;
  readonly credentialStore: string | undefined;
}

/**
 * The files that there are, in the order in which they are asked. One in a usual place that this user may not read is passed over
 * with a remark: a pod's user often has root's HOME. @throws BuildError `CREDENTIALS_INVALID`
 */
export function readCredentialFiles(
  environment: Readonly<Record<string, string | undefined>>,
  notes: string[] = [],
): ConfigFile[] {
  const inline = environment['DOCKER_AUTH_CONFIG'];
  const files = inline === undefined || inline.trim() === '' ? [] : [parseConfigFile('$DOCKER_AUTH_CONFIG', inline)];
  for (const [path, isNamed] of credentialPaths(environment)) {
    const text = readIfThere(path, isNamed ? undefined : notes);
    if (text !== undefined && text.trim() !== '') files.push(parseConfigFile(path, text));
  }
  return files;
}

/** Each path, and whether the user named it. */
function credentialPaths(environment: Readonly<Record<string, string | undefined>>): Map<string, boolean> {
  const given = (name: string): string | undefined => (environment[name] === '' ? undefined : environment[name]);
  // os.homedir() would load the name service of glibc, which an in-place build must not.
  const home = given('HOME') ?? (process.getuid?.() === 0 ? '/root' : undefined);
  const config = given('XDG_CONFIG_HOME') ?? (home === undefined ? undefined : join(home, '.config'));
  const dockerConfig = given('DOCKER_CONFIG');
  const authFile = given('REGISTRY_AUTH_FILE');
  const runtime = given('XDG_RUNTIME_DIR');
  const paths: [string | undefined, boolean][] = [
    [dockerConfig === undefined ? undefined : join(dockerConfig, 'config.json'), true],
    [home === undefined ? undefined : join(home, '.docker', 'config.json'), false],
    [authFile, true],
    [runtime === undefined ? undefined : join(runtime, 'containers', 'auth.json'), false],
    [config === undefined ? undefined : join(config, 'containers', 'auth.json'), false],
  ];
  const found = new Map<string, boolean>();
  for (const [path, isNamed] of paths) if (path !== undefined && !found.has(path)) found.set(path, isNamed);
  return found;
}

/** @throws BuildError `CREDENTIALS_INVALID`, never with the file's content */
export function parseConfigFile(path: string, text: string): ConfigFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, and with it secrets.
    throw invalid(path, 'it is not JSON');
  }
  if (Array.isArray(json)) throw invalid(path, 'it is not a JSON object');
  const result = v.safeParse(configSchema, json, { abortEarly: true });
  if (!result.success) throw invalid(path, `${v.getDotPath(result.issues[0]) ?? 'it'} has the wrong type`);
  const { auths, credHelpers, credsStore } = result.output;
  const credentials = new Map<string, Credential>();
  for (const [key, entry] of Object.entries(auths ?? {})) {
    const credential = entry === null ? undefined : toCredential(path, key, entry);
    if (credential !== undefined) credentials.set(key, credential);
  }
  return {
    path,
    credentials,
    credentialHelpers: new Map(Object.entries(credHelpers ?? {})),
    credentialStore: credsStore ?? undefined,
  };
}

const optionalText = v.nullish(v.string());
const entrySchema = v.looseObject({
  auth: optionalText,
  username: optionalText,
  password: optionalText,
  identitytoken: optionalText,
  registrytoken: optionalText,
});
const configSchema = v.looseObject({
  auths: v.nullish(v.record(v.string(), v.nullable(entrySchema))),
  credHelpers: v.nullish(v.record(v.string(), v.string())),
  credsStore: optionalText,
});

function toCredential(path: string, key: string, entry: v.InferOutput<typeof entrySchema>): Credential | undefined {
  if (entry.registrytoken) return { kind: 'registry-token', token: entry.registrytoken };
  if (entry.identitytoken) return { kind: 'identity-token', token: entry.identitytoken };
  if (entry.auth) {
    const decoded = Buffer.from(entry.auth, 'base64').toString('utf8').replace(/\0+$/, '');
    const colon = decoded.indexOf(':');
    if (colon <= 0) throw invalid(path, `the auth of ${key} is not base64 of user:password`);
    return { kind: 'basic', username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
  }
  return entry.username ? { kind: 'basic', username: entry.username, password: entry.password ?? '' } : undefined;
}

function readIfThere(path: string, notes: string[] | undefined): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    if (notes !== undefined && hasErrno(error, 'EACCES', 'EPERM')) {
      notes.push(`${path} can't be read by this user`);
      return undefined;
    }
    throw invalid(path, messageOf(error), error);
  }
}

function invalid(path: string, reason: string, cause?: unknown): BuildError {
  return new BuildError('CREDENTIALS_INVALID', `Can't read registry credentials from ${path}: ${reason}`, {
    cause,
    facts: { path },
  });
}
