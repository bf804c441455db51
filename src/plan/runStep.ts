import { BuildError } from '../errors.ts';
import { cleanPath } from './workingDirectory.ts';
import { expandIn, invalid } from './stageState.ts';
import { flagValue, flagValues } from '../dockerfile/flags.ts';
import { parseHeredocWord } from '../dockerfile/heredoc.ts';
import { proxyVariables } from './predefinedArgs.ts';
import { runMounts } from './runMount.ts';
import type { Command, Instruction } from '../dockerfile/instruction.ts';
import type { StageState } from './stageState.ts';
import type { Step } from './step.ts';

type RunStep = Extract<Step, { kind: 'run' }>;
/** What a step has of its own: `resolveStage` adds the instruction, the log's text and the configuration. */
export type OwnPart<S> = S extends Step ? Omit<S, 'instruction' | 'display' | 'config'> : never;

/** A RUN as it will be executed. The text is not expanded: that is the shell's work. */
export function runStep(instruction: Instruction & { readonly kind: 'run' }, state: StageState): OwnPart<RunStep> {
  refuseUnsupported(instruction);
  const { args, script } = commandOf(instruction.command);
  const argv = instruction.command.form === 'exec' ? args : withShell(state, args);
  const proxies = [...proxyVariables(state.scope.buildArgs)].filter(([name]) => !state.variables.has(name));
  const uncachedEnv = proxies.map(([name, value]) => `${name}=${value}`);
  const workingDirectory = cleanPath(state.config.WorkingDir ?? '');
  return {
    kind: 'run',
    createdBy: `RUN ${[...argumentPrefix(state), ...argv].join(' ')} # buildkit`,
    argv,
    ...(script === undefined ? {} : { script }),
    env: [...[...state.variables].map(([name, value]) => `${name}=${value}`), ...uncachedEnv],
    ...(uncachedEnv.length === 0 ? {} : { uncachedEnv }),
    user: state.config.User ?? '',
    workingDirectory,
    mounts: runMounts(flagValues(instruction.flags, 'mount'), {
      expand: (word) => expandIn(state, word, instruction),
      scope: state.scope,
      workingDirectory,
    }),
    network: networkOf(instruction),
  };
}

/** Words behind the shell: SHELL's, or the platform's. */
export function withShell(state: StageState, words: readonly string[]): readonly string[] {
  const shell = state.config.Shell;
  return [...(shell?.length ? shell : state.defaultShell), words.join(' ')];
}

function refuseUnsupported({ flags }: Instruction): void {
  if (flagValue(flags, 'security') === 'insecure') {
    throw new BuildError('INSTRUCTION_UNSUPPORTED', 'RUN --security=insecure is not allowed', {
      hint: 'kasane runs commands without added privileges.',
    });
  }
  if (flags.some(({ name }) => name === 'device')) {
    throw new BuildError('INSTRUCTION_UNSUPPORTED', 'RUN --device is not supported', {
      hint: 'kasane has no access to CDI devices.',
    });
  }
}

function networkOf({ flags }: Instruction): 'default' | 'none' | 'host' {
  const network = flagValue(flags, 'network');
  return network === 'none' || network === 'host' ? network : 'default';
}

/** A single heredoc is the script itself; with more text around it, the shell gets everything and sees to it. */
function commandOf(command: Command): { args: readonly string[]; script?: { path: string; content: string } } {
  if (command.form === 'exec') return { args: command.args };
  const [first] = command.heredocs;
  if (first === undefined) return { args: command.text === '' ? [] : [command.text] };
  if (parseHeredocWord(command.text) === undefined) {
    const bodies = command.heredocs.map(({ name, content, raw }) => `\n${raw ?? content}${name}`);
    return { args: [[command.text, ...bodies].join('')] };
  }
  if (!first.content.startsWith('#!')) return { args: [first.content] };
  if (first.name.includes('/') || first.name === '..' || first.name === '.') {
    throw invalid(`heredoc ${first.name} cannot name a script`, 'The delimiter is the name of the file.');
  }
  const path = `/dev/pipes/${first.name}`;
  return { args: [path], script: { path, content: first.content } };
}

/** `|N A=v …`: how history tells the arguments that the command saw. */
function argumentPrefix(state: StageState): readonly string[] {
  const entries = [...state.args].map(([name, value]) => `${name}=${state.variables.get(name) ?? value ?? ''}`);
  return entries.length === 0 ? [] : [`|${entries.length}`, ...entries];
}
