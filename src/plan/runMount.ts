import { posix } from 'node:path';
import { cleanPath } from './workingDirectory.ts';
import { fileSource } from './buildScope.ts';
import { goQuote } from '../dockerfile/goQuote.ts';
import { invalid } from './stageState.ts';
import { parseMountFields } from '../dockerfile/mountFlag.ts';
import { parseSize } from './parseSize.ts';
import { withSuggestion } from '../dockerfile/suggest.ts';
import type { BuildScope } from './buildScope.ts';
import type { MountField } from '../dockerfile/mountFlag.ts';
import type { RunMount } from './step.ts';

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
const SHARING = ['shared', 'private', 'locked'] as const;
const KEYS =
  'type from source target readonly id sharing required size mode uid gid src dst destination ro rw readwrite env'.split(
    ' ',
  );

export interface MountContext {
  readonly expand: (word: string) => string;
  readonly scope: BuildScope;
  /** Absolute. */
  readonly workingDirectory: string;
}

/**
 * The mounts of one RUN, from the values of its `--mount` flags.
 * @throws BuildError `INSTRUCTION_INVALID` in BuildKit's words
 */
export function runMounts(values: readonly string[], context: MountContext): readonly RunMount[] {
  let agents = 0;
  return values.map((value) => {
    const options = readOptions(parseMountFields(value), context.expand);
    checkOptions(options);
    if (options.type === 'bind') return bindMount(options, context);
    if (options.type === 'cache') return cacheMount(options, context);
    if (options.type === 'secret') return secretMount(options, context);
    if (options.type === 'ssh') return sshMount(options, context, agents++);
    const size = options.size === undefined ? {} : { size: options.size };
    return { type: 'tmpfs', target: mountTarget(options, context), ...size };
  });
}

interface MountOptions {
  type: (typeof TYPES)[number];
  from: string;
  source: string;
  target: string;
  id: string;
  sharing?: (typeof SHARING)[number];
  readOnly?: boolean;
  required: boolean;
  size?: number;
  mode?: number;
  uid?: number;
  gid?: number;
  env?: string;
}

/** In the order written: what an option may be can depend on a type given before it. */
function readOptions(fields: readonly MountField[], expand: MountContext['expand']): MountOptions {
  const options: MountOptions = { type: 'bind', from: '', source: '', target: '', id: '', required: false };
  for (const field of fields) {
    if (field.value === undefined) readBareOption(options, field);
    else readOption(options, field, field.key === 'from' ? field.value : expand(field.value));
  }
  return options;
}

function readBareOption(options: MountOptions, { key, text }: MountField): void {
  if (key === 'readonly' || key === 'ro') options.readOnly = true;
  else if (key === 'readwrite' || key === 'rw') options.readOnly = false;
  else if (key !== 'required') throw invalid(`invalid field '${text}' must be a key=value pair`);
  else {
    allowOnly(options, key, 'secret', 'ssh');
    options.required = true;
  }
}

function readOption(options: MountOptions, field: MountField, value: string): void {
  const { key } = field;
  switch (key) {
    case 'type':
      options.type = oneOf(TYPES, value, `unsupported mount type ${goQuote(value)}`);
      break;
    case 'from':
      options.from = value;
      break;
    case 'source':
    case 'src':
      options.source = value;
      break;
    case 'target':
    case 'dst':
    case 'destination':
      options.target = value;
      break;
    case 'readonly':
    case 'ro':
      options.readOnly = boolean(key, value);
      break;
    case 'readwrite':
    case 'rw':
      options.readOnly = !boolean(key, value);
      break;
    case 'required':
      allowOnly(options, key, 'secret', 'ssh');
      options.required = boolean(key, value);
      break;
    case 'size':
      allowOnly(options, key, 'tmpfs');
      options.size = parseSize(value) ?? fail(`invalid value for ${key}: ${value}`);
      break;
    case 'id':
      options.id = value;
      break;
    case 'sharing':
      options.sharing = oneOf(SHARING, value, `unsupported sharing value ${goQuote(value)}`);
      break;
    case 'mode':
    case 'uid':
    case 'gid':
      options[key] = unsigned(key, value);
      break;
    case 'env':
      options.env = value;
      break;
    default:
      throw invalid(withSuggestion(`unexpected key '${key}' in '${field.text}'`, key, KEYS));
  }
}

function checkOptions(options: MountOptions): void {
  const { type } = options;
  if (type === 'bind' || type === 'tmpfs') {
    for (const key of ['mode', 'uid', 'gid'] as const) {
      if (options[key] !== undefined) throw invalid(`${key} not allowed for "${type}" type mounts`);
    }
  }
  if (type === 'secret') {
    if (options.from !== '') throw invalid('secret mount should not have a from');
    if (options.sharing !== undefined) throw invalid('secret mount should not define sharing');
    if (options.source === '' && options.target === '' && options.id === '') {
      throw invalid('invalid secret mount. one of source, target required');
    }
    if (options.source !== '' && options.id !== '') throw invalid("both source and id can't be set");
  } else if (options.env !== undefined) {
    throw invalid(`env not allowed for "${type}" type mounts`);
  }
  if (options.sharing !== undefined && type !== 'cache') throw invalid(`invalid cache sharing set for ${type} mount`);
}

function bindMount(options: MountOptions, context: MountContext): RunMount {
  return {
    type: 'bind',
    target: mountTarget(options, context),
    source: cleanPath(options.source),
    from: options.from === '' ? { kind: 'context' } : fileSource(options.from, context.scope),
    readOnly: options.readOnly ?? true,
  };
}

function cacheMount(options: MountOptions, context: MountContext): RunMount {
  return {
    type: 'cache',
    target: mountTarget(options, context),
    id: options.id === '' ? cleanId(options.target) : options.id,
    sharing: options.sharing ?? 'shared',
    ...(options.from === '' || options.from === 'scratch' ? {} : { from: fileSource(options.from, context.scope) }),
    source: cleanPath(options.source),
    mode: options.mode ?? 0o755,
    uid: options.uid ?? 0,
    gid: options.gid ?? 0,
    readOnly: options.readOnly ?? false,
  };
}

/** A cache without an id is known by its target as written. */
function cleanId(target: string): string {
  const clean = posix.normalize(target);
  return clean.length > 1 ? clean.replace(/\/$/, '') : clean;
}

function secretMount(options: MountOptions, context: MountContext): RunMount {
  const given = options.source === '' ? options.id : options.source;
  const id = given === '' ? posix.basename(options.target) : given;
  const target = options.target === '' ? `/run/secrets/${posix.basename(id)}` : mountTarget(options, context);
  return {
    type: 'secret',
    id,
    // With a variable, a file is made only if a target asks for one.
    ...(options.env !== undefined && options.target === '' ? {} : { target }),
    ...(options.env === undefined ? {} : { env: options.env }),
    required: options.required,
    mode: options.mode ?? 0o400,
    uid: options.uid ?? 0,
    gid: options.gid ?? 0,
  };
}

function sshMount(options: MountOptions, context: MountContext, index: number): RunMount {
  if (options.source !== '') throw invalid('ssh does not support source');
  return {
    type: 'ssh',
    id: options.id === '' ? 'default' : options.id,
    target: options.target === '' ? `/run/buildkit/ssh_agent.${index}` : mountTarget(options, context),
    required: options.required,
    mode: options.mode ?? 0o600,
    uid: options.uid ?? 0,
    gid: options.gid ?? 0,
  };
}

function mountTarget({ target }: MountOptions, { workingDirectory }: MountContext): string {
  const path = cleanPath(target.startsWith('/') ? target : posix.join(workingDirectory, target));
  if (path === '/') throw invalid('invalid mount target "/"');
  return path;
}

function allowOnly(options: MountOptions, key: string, ...types: string[]): void {
  if (!types.includes(options.type)) throw invalid(`unexpected key '${key}' for mount type '${options.type}'`);
}

function oneOf<T extends string>(allowed: readonly T[], value: string, message: string): T {
  const found = allowed.find((each) => each === value.toLowerCase());
  return found ?? fail(withSuggestion(message, value, allowed));
}

function boolean(key: string, value: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw invalid(`invalid value for ${key}: ${value}`);
}

function unsigned(key: 'mode' | 'uid' | 'gid', value: string): number {
  const number = (key === 'mode' ? /^[0-7]+$/ : /^\d+$/).test(value)
    ? Number.parseInt(value, key === 'mode' ? 8 : 10)
    : Number.NaN;
  if (!(number <= 0xffff_ffff)) throw invalid(`invalid value ${value} for ${key}`);
  return number;
}

function fail(message: string): never {
  throw invalid(message);
}
