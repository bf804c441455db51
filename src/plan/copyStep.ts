import { BuildError } from '../errors.ts';
import { checkFileMode } from './fileMode.ts';
import { copyFrom } from './stageSources.ts';
import { expandHeredoc } from '../dockerfile/expandWord.ts';
import { expandIn, invalid, lookup, note } from './stageState.ts';
import { fileSource } from './buildScope.ts';
import { flagBoolean, flagValue, flagValues } from '../dockerfile/flags.ts';
import { isGitUrl, isUrl } from './remoteSource.ts';
import { joinDestination } from './workingDirectory.ts';
import type { Heredoc, Instruction } from '../dockerfile/instruction.ts';
import type { CopySource, FileSource, Step } from './step.ts';
import type { OwnPart } from './runStep.ts';
import type { StageState } from './stageState.ts';

type CopyInstruction = Instruction & { readonly kind: 'copy' | 'add' };
type CopyStep = Extract<Step, { kind: 'copy' | 'add' }>;

/** COPY or ADD with everything expanded. Whether the sources exist is not known here. */
export function copyStep(instruction: CopyInstruction, state: StageState): OwnPart<CopyStep> {
  const { flags, kind } = instruction;
  const expand = (word: string): string => expandIn(state, word, instruction);
  const flag = (name: string): string | undefined => {
    const value = expand(flagValue(flags, name) ?? '');
    return value === '' ? undefined : value;
  };
  const chown = flag('chown');
  const chmod = flag('chmod');
  const checksum = flag('checksum');
  if (chmod !== undefined) checkFileMode(chmod);
  const paths = instruction.sources.map(expand);
  const destination = expand(instruction.destination);
  if (checksum !== undefined) checkChecksum(checksum, paths);
  const unpack = flagBoolean(flags, 'unpack');
  const parents = flagBoolean(flags, 'parents') ?? false;
  return {
    kind,
    createdBy: historyText(instruction, { chown, chmod, parents, paths, destination }),
    sources: [
      ...paths.map((path) => copySource(kind, path)),
      ...instruction.heredocs.map((heredoc) => inlineSource(heredoc, instruction, state)),
    ],
    from: sourceOf(instruction, state),
    destination: joinDestination(state.config.WorkingDir ?? '/', destination),
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
    link: flagBoolean(flags, 'link') ?? false,
    parents,
    exclude: flagValues(flags, 'exclude').map(expand),
    ...(checksum === undefined ? {} : { checksum }),
    ...(unpack === undefined ? {} : { unpack }),
  };
}

function sourceOf(instruction: CopyInstruction, state: StageState): FileSource {
  const from = copyFrom(instruction, state.escape);
  return from === '' ? { kind: 'context' } : fileSource(from, state.scope);
}

function copySource(kind: 'copy' | 'add', path: string): CopySource {
  if (isGitUrl(path)) {
    if (kind === 'copy') throw invalid("source can't be a git ref for COPY");
    throw new BuildError('INSTRUCTION_UNSUPPORTED', `ADD from a git repository is not supported: ${path}`, {
      hint: 'Clone it in a RUN, or make it the build context.',
    });
  }
  if (!isUrl(path)) return { kind: 'path', path };
  if (kind === 'copy') throw invalid("source can't be a URL for COPY");
  return { kind: 'url', url: path };
}

function inlineSource(heredoc: Heredoc, instruction: CopyInstruction, state: StageState): CopySource {
  const { name } = heredoc;
  if (name.includes('/') || name === '..' || name === '.') {
    throw invalid(`heredoc ${name} cannot name a file`, 'The delimiter is the name of the file.');
  }
  if (!heredoc.expand) return { kind: 'inline', name, content: heredoc.content };
  const { text } = note(state, instruction, expandHeredoc(heredoc.content, lookup(state)));
  return { kind: 'inline', name, content: text };
}

function checkChecksum(checksum: string, paths: readonly string[]): void {
  const [path = ''] = paths;
  if (paths.length !== 1) throw invalid("checksum can't be specified for multiple sources");
  if (isGitUrl(path)) return;
  if (!isUrl(path)) throw invalid('checksum requires HTTP(S) or Git sources');
  const match = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):([A-Za-z0-9=_-]+)$/.exec(checksum);
  if (match === null) throw invalid('invalid checksum digest format');
  const length = { sha256: 64, sha384: 96, sha512: 128 }[match[1] ?? ''];
  if (length === undefined) throw invalid('unsupported digest algorithm');
  if (match[2]?.length !== length) throw invalid('invalid checksum digest length');
  if (!/^[a-f0-9]+$/.test(match[2])) throw invalid('invalid checksum digest format');
}

function historyText(
  { kind, heredocs }: CopyInstruction,
  parts: {
    readonly chown: string | undefined;
    readonly chmod: string | undefined;
    readonly parents: boolean;
    readonly paths: readonly string[];
    readonly destination: string;
  },
): string {
  return [
    kind.toUpperCase(),
    ...(parts.parents ? ['--parents'] : []),
    ...(parts.chown === undefined ? [] : [`--chown=${parts.chown}`]),
    ...(parts.chmod === undefined ? [] : [`--chmod=${parts.chmod}`]),
    ...parts.paths,
    ...heredocs.map(({ name }) => `<<${name}`),
    parts.destination,
    '# buildkit',
  ].join(' ');
}
