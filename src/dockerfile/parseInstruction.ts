import { BuildError } from '../errors.ts';
import { goQuote } from './goQuote.ts';
import { parseFlags, flagValue, flagValues } from './flags.ts';
import { parseGoDuration } from './goDuration.ts';
import { parseHeredocWord } from './heredoc.ts';
import { parseJsonArray } from './jsonArray.ts';
import { parseKeyValues } from './keyValues.ts';
import { parseMountFields } from './mountFlag.ts';
import { splitAtBlanks, trimBlanks } from './blank.ts';
import { splitCommand } from './splitCommand.ts';
import { splitWords } from './splitWords.ts';
import { suggest } from './suggest.ts';
import { syntaxError } from './syntaxError.ts';
import type { SourceLocation } from '../errors.ts';
import type { CommandParts } from './splitCommand.ts';
import type { FlagTable } from './flags.ts';
import type { Command, Dockerfile, Heredoc, Instruction } from './instruction.ts';

/** The text of one instruction, and what stands beside it. */
export interface InstructionSource {
  readonly text: string;
  readonly heredocs: readonly Heredoc[];
  readonly location: SourceLocation;
  readonly escape: Dockerfile['escape'];
  readonly comments?: readonly string[];
}

/**
 * One instruction from its text.
 * @throws BuildError `DOCKERFILE_SYNTAX`, without a place
 */
export function parseInstruction(source: InstructionSource): Instruction {
  const parts = splitCommand(source.text);
  const keyword = parts.keyword.toLowerCase();
  if (!isKeyword(keyword)) throw unknownInstruction(parts.keyword);
  const base = {
    location: source.location,
    text: trimBlanks(source.text),
    flags: parseFlags(parts.flags, FLAGS[keyword]),
    ...(source.comments === undefined || source.comments.length === 0 ? {} : { comments: source.comments }),
  };
  return { ...base, ...PARSERS[keyword](parts, source, base.flags) };
}

type Keyword =
  | 'add'
  | 'arg'
  | 'cmd'
  | 'copy'
  | 'entrypoint'
  | 'env'
  | 'expose'
  | 'from'
  | 'healthcheck'
  | 'label'
  | 'maintainer'
  | 'onbuild'
  | 'run'
  | 'shell'
  | 'stopsignal'
  | 'user'
  | 'volume'
  | 'workdir';

const FLAGS: Readonly<Record<Keyword, FlagTable>> = {
  add: {
    chown: 'string',
    chmod: 'string',
    link: 'boolean',
    'keep-git-dir': 'boolean',
    checksum: 'string',
    unpack: 'boolean',
    exclude: 'strings',
  },
  arg: {},
  cmd: {},
  copy: {
    from: 'string',
    chown: 'string',
    chmod: 'string',
    link: 'boolean',
    parents: 'boolean',
    exclude: 'strings',
  },
  entrypoint: {},
  env: {},
  expose: {},
  from: { platform: 'string' },
  healthcheck: {
    interval: 'string',
    timeout: 'string',
    'start-period': 'string',
    'start-interval': 'string',
    retries: 'string',
  },
  label: {},
  maintainer: {},
  onbuild: {},
  run: { mount: 'strings', network: 'string', security: 'string', device: 'strings' },
  shell: {},
  stopsignal: {},
  user: {},
  volume: {},
  workdir: {},
};

/** The part of an instruction that its own parser makes. */
type Body<I = Instruction> = I extends Instruction ? Omit<I, 'location' | 'text' | 'flags' | 'comments'> : never;
type Parser = (parts: CommandParts, source: InstructionSource, flags: Instruction['flags']) => Body;

const PARSERS: Readonly<Record<Keyword, Parser>> = {
  add: (parts, source) => ({ kind: 'add', ...parseCopy('ADD', parts, source) }),
  arg: parseArg,
  cmd: (parts, source) => ({ kind: 'cmd', command: parseCommand(parts.rest, source) }),
  copy: (parts, source) => ({ kind: 'copy', ...parseCopy('COPY', parts, source) }),
  entrypoint: (parts, source) => ({ kind: 'entrypoint', command: parseCommand(parts.rest, source) }),
  env: ({ rest }, { escape }) => ({ kind: 'env', pairs: parseKeyValues('ENV', rest, escape) }),
  expose: ({ rest }) => ({ kind: 'expose', ports: atLeastOne('EXPOSE', splitAtBlanks(rest)).toSorted(byBytes) }),
  from: parseFrom,
  healthcheck: parseHealthcheck,
  label: ({ rest }, { escape }) => ({ kind: 'label', pairs: parseKeyValues('LABEL', rest, escape) }),
  maintainer: ({ rest }) => ({ kind: 'maintainer', maintainer: exactlyOne('MAINTAINER', rest) }),
  onbuild: parseOnbuild,
  run: parseRun,
  shell: parseShell,
  stopsignal: ({ rest }) => ({ kind: 'stopsignal', signal: exactlyOne('STOPSIGNAL', rest) }),
  user: ({ rest }) => ({ kind: 'user', user: exactlyOne('USER', rest) }),
  volume: parseVolume,
  workdir: ({ rest }) => ({ kind: 'workdir', path: exactlyOne('WORKDIR', rest) }),
};

function isKeyword(text: string): text is Keyword {
  return Object.hasOwn(FLAGS, text);
}

function unknownInstruction(keyword: string): Error {
  const match = suggest(keyword.toLowerCase(), Object.keys(FLAGS));
  const shown = keyword === keyword.toLowerCase() ? match : match?.toUpperCase();
  const hint = shown === undefined ? '' : ` (did you mean ${shown}?)`;
  return syntaxError(`unknown instruction: ${keyword}${hint}`);
}

function exactlyOne(keyword: string, rest: string): string {
  if (rest === '') throw syntaxError(`${keyword} requires exactly one argument`);
  return rest;
}

function atLeastOne<T>(keyword: string, words: readonly T[]): readonly T[] {
  if (words.length === 0) throw syntaxError(`${keyword} requires at least one argument`);
  return words;
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function parseCommand(rest: string, { heredocs }: { readonly heredocs: readonly Heredoc[] }): Command {
  const args = parseJsonArray(rest);
  return args === undefined ? { form: 'shell', text: rest, heredocs } : { form: 'exec', args };
}

function parseFrom({ rest }: CommandParts, _source: InstructionSource, flags: Instruction['flags']): Body {
  const words = splitAtBlanks(rest);
  const [image = '', as, name] = words;
  const named = words.length === 3 && as?.toLowerCase() === 'as';
  if (!named && words.length !== 1) throw syntaxError('FROM requires either one or three arguments');
  const stageName = name?.toLowerCase();
  if (stageName !== undefined && !/^[a-z][a-z0-9-_.]*$/.test(stageName)) {
    throw syntaxError(
      `invalid name for build stage: ${goQuote(name ?? '')}, name can't start with a number or contain symbols`,
    );
  }
  const platform = flagValue(flags, 'platform');
  return {
    kind: 'from',
    image,
    ...(stageName === undefined ? {} : { stageName }),
    ...(platform === undefined || platform === '' ? {} : { platform }),
  };
}

function parseArg({ rest }: CommandParts, { escape }: InstructionSource): Body {
  const args = atLeastOne('ARG', splitWords(rest, escape)).map((word) => {
    const equals = word.indexOf('=');
    if (equals === 0) throw syntaxError('ARG names can not be blank');
    return equals < 0 ? { name: word } : { name: word.slice(0, equals), value: word.slice(equals + 1) };
  });
  return { kind: 'arg', args };
}

function parseRun({ rest }: CommandParts, source: InstructionSource, flags: Instruction['flags']): Body {
  for (const mount of flagValues(flags, 'mount')) parseMountFields(mount);
  const network = flagValue(flags, 'network') ?? 'default';
  if (!['default', 'none', 'host'].includes(network)) throw syntaxError(`invalid network mode ${goQuote(network)}`);
  const security = flagValue(flags, 'security') ?? 'sandbox';
  if (!['sandbox', 'insecure'].includes(security)) throw syntaxError(`security ${goQuote(security)} is not valid`);
  const command = parseCommand(rest, source);
  if (command.form === 'exec') atLeastOne('RUN', command.args);
  return { kind: 'run', command };
}

function parseCopy(
  keyword: string,
  { rest }: CommandParts,
  source: InstructionSource,
): { sources: readonly string[]; heredocs: readonly Heredoc[]; destination: string } {
  const json = parseJsonArray(rest);
  const words = json ?? splitAtBlanks(rest);
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    throw syntaxError(
      `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  }
  if (json !== undefined) return { sources: words.slice(0, -1), heredocs: [], destination };
  if (heredocOf(destination) !== undefined) throw syntaxError(`${keyword} cannot accept a heredoc as a destination`);
  const sources: string[] = [];
  const heredocs: Heredoc[] = [];
  for (const word of words.slice(0, -1)) {
    const start = heredocOf(word);
    const body = start && source.heredocs.findLast(({ name }) => name === start.name);
    if (start === undefined) sources.push(word);
    else heredocs.push({ content: '', ...body, ...start });
  }
  return { sources, heredocs, destination };
}

function heredocOf(word: string): ReturnType<typeof parseHeredocWord> {
  try {
    return parseHeredocWord(word);
  } catch (error) {
    if (error instanceof BuildError) return undefined;
    throw error;
  }
}

function parseShell({ rest }: CommandParts): Body {
  const shell = parseJsonArray(rest);
  if (rest === '' || shell?.length === 0) throw syntaxError('SHELL requires at least one argument');
  if (shell === undefined) throw syntaxError('SHELL requires the arguments to be in JSON form');
  return { kind: 'shell', shell };
}

function parseVolume({ rest }: CommandParts): Body {
  const paths = atLeastOne('VOLUME', parseJsonArray(rest) ?? splitAtBlanks(rest)).map(trimBlanks);
  if (paths.includes('')) throw syntaxError('VOLUME specified can not be an empty string');
  return { kind: 'volume', paths };
}

function parseHealthcheck({ rest }: CommandParts, source: InstructionSource, flags: Instruction['flags']): Body {
  const [, type = '', command = ''] = /^(\S*)\s*([^]*)$/.exec(rest) ?? [];
  if (type === '') throw syntaxError('HEALTHCHECK requires at least one argument');
  for (const name of ['interval', 'timeout', 'start-period', 'start-interval']) {
    const value = flagValue(flags, name) ?? '';
    const duration = value === '' ? 0 : parseGoDuration(value);
    if (duration !== 0 && duration < 1e6) throw syntaxError(`Interval ${goQuote(name)} cannot be less than 1ms`);
  }
  checkRetries(flagValue(flags, 'retries') ?? '');
  if (type.toUpperCase() === 'NONE') {
    if (command !== '') throw syntaxError('HEALTHCHECK NONE takes no arguments');
    return { kind: 'healthcheck', none: true };
  }
  if (type.toUpperCase() !== 'CMD') {
    throw syntaxError(`Unknown type ${goQuote(type.toUpperCase())} in HEALTHCHECK (try CMD)`);
  }
  const parsed = parseCommand(command, source);
  if (parsed.form === 'exec' ? parsed.args.length === 0 : parsed.text === '') {
    throw syntaxError('Missing command after HEALTHCHECK CMD');
  }
  return { kind: 'healthcheck', none: false, command: parsed };
}

function checkRetries(value: string): void {
  if (value === '') return;
  if (!/^[-+]?\d+$/.test(value)) throw syntaxError(`strconv.ParseInt: parsing ${goQuote(value)}: invalid syntax`);
  if (Math.abs(Number(value)) > 0x7fff_ffff) {
    throw syntaxError(`strconv.ParseInt: parsing ${goQuote(value)}: value out of range`);
  }
  if (Number(value) < 0) throw syntaxError(`--retries cannot be negative (${Number(value)})`);
}

function parseOnbuild({ rest }: CommandParts, source: InstructionSource): Body {
  if (rest === '') throw syntaxError('ONBUILD requires at least one argument');
  const keyword = splitCommand(rest).keyword.toUpperCase();
  if (keyword === 'ONBUILD') throw syntaxError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (keyword === 'MAINTAINER' || keyword === 'FROM') {
    throw syntaxError(`${keyword} isn't allowed as an ONBUILD trigger`);
  }
  const { comments: _, ...inner } = source;
  return { kind: 'onbuild', trigger: triggerText(source), instruction: parseInstruction({ ...inner, text: rest }) };
}

/** What the image's configuration keeps: the text with the bodies of its heredocs, for a later build to parse again. */
function triggerText({ text, heredocs }: InstructionSource): string {
  const bodies = heredocs.map(({ name, content, raw }) => `\n${raw ?? content}${name}`);
  return [text.replace(/^\s*ONBUILD\s*/i, ''), ...bodies].join('');
}
