import { checkSignal } from './stopSignal.ts';
import { entersEnvironment } from './predefinedArgs.ts';
import { exposedPorts } from './exposedPorts.ts';
import { expand } from '../dockerfile/expandWord.ts';
import { expandIn, invalid, lookup, note, setVariable, warnOfSecret } from './stageState.ts';
import { flagValue } from '../dockerfile/flags.ts';
import { formatGoDuration, parseGoDuration } from '../dockerfile/goDuration.ts';
import { goQuote } from '../dockerfile/goQuote.ts';
import { cleanPath, joinWorkdir } from './workingDirectory.ts';
import { withShell } from './runStep.ts';
import type { Command, Instruction } from '../dockerfile/instruction.ts';
import type { ContainerConfig, Healthcheck } from '../image/config.ts';
import type { OwnPart } from './runStep.ts';
import type { StageState } from './stageState.ts';
import type { Step } from './step.ts';

type ConfigInstruction = Exclude<Instruction, { readonly kind: 'from' | 'run' | 'copy' | 'add' }>;
type Of<K extends Instruction['kind']> = Instruction & { readonly kind: K };

/** An instruction that changes the configuration in `state` (WORKDIR also makes a directory). */
export function configStep(
  instruction: ConfigInstruction,
  state: StageState,
): OwnPart<Extract<Step, { kind: 'workdir' | 'metadata' }>> {
  if (instruction.kind === 'workdir') return workdirStep(instruction, state);
  return { kind: 'metadata', createdBy: applyMetadata(instruction, state) };
}

/** Applies it and returns the history's text. */
function applyMetadata(
  instruction: Exclude<ConfigInstruction, { readonly kind: 'workdir' }>,
  state: StageState,
): string {
  switch (instruction.kind) {
    case 'env':
      return applyEnv(instruction, state);
    case 'arg':
      return applyArg(instruction, state);
    case 'label':
      return applyLabel(instruction, state);
    case 'cmd':
      return applyCmd(instruction, state);
    case 'entrypoint':
      return applyEntrypoint(instruction, state);
    case 'expose':
      return applyExpose(instruction, state);
    case 'volume':
      return applyVolume(instruction, state);
    case 'healthcheck':
      return applyHealthcheck(instruction, state);
    case 'user':
      state.config = { ...state.config, User: expandIn(state, instruction.user, instruction) };
      return `USER ${state.config.User}`;
    case 'stopsignal': {
      const signal = expandIn(state, instruction.signal, instruction);
      checkSignal(signal);
      state.config = { ...state.config, StopSignal: signal };
      return `STOPSIGNAL ${signal}`;
    }
    case 'shell':
      state.config = { ...state.config, Shell: instruction.shell };
      return `SHELL [${instruction.shell.join(' ')}]`;
    case 'maintainer':
      state.author = instruction.maintainer;
      return `MAINTAINER ${instruction.maintainer}`;
    case 'onbuild':
      break;
  }
  state.config = { ...state.config, OnBuild: [...(state.config.OnBuild ?? []), instruction.trigger] };
  return '';
}

/** All pairs are expanded with what was set before the line. */
function applyEnv(instruction: Of<'env'>, state: StageState): string {
  const pairs = instruction.pairs.map(({ key, value }) => ({
    key: expandIn(state, key, instruction),
    value: expandIn(state, value, instruction),
  }));
  for (const { key, value } of pairs) {
    warnOfSecret(state, instruction, key);
    state.variables.set(key, value);
    state.config = { ...state.config, Env: setVariable(state.config.Env ?? [], key, value) };
  }
  return ['ENV', ...pairs.map(({ key, value }) => `${key}=${value}`)].join(' ');
}

/** A build argument beats the default; a bare name takes the global value. */
function applyArg(instruction: Of<'arg'>, state: StageState): string {
  const words = instruction.args.map(({ name, value }) => {
    warnOfSecret(state, instruction, name);
    const given =
      state.scope.buildArgs.get(name) ??
      (value === undefined
        ? state.scope.globals.get(name)
        : note(state, instruction, expand(value, lookup(state), { escape: state.escape })).text);
    if (given !== undefined && entersEnvironment(name)) state.variables.set(name, given);
    state.args.set(name, given);
    return given === undefined ? name : `${name}=${given}`;
  });
  return ['ARG', ...words].join(' ');
}

function applyLabel(instruction: Of<'label'>, state: StageState): string {
  const pairs = instruction.pairs.map((pair) => [
    expandIn(state, pair.key, instruction),
    expandIn(state, pair.value, instruction),
  ]);
  state.config = { ...state.config, Labels: { ...state.config.Labels, ...Object.fromEntries(pairs) } };
  return ['LABEL', ...pairs.map((pair) => pair.join('='))].join(' ');
}

function applyCmd({ command }: Of<'cmd'>, state: StageState): string {
  const args = commandWords(command, state);
  state.config = withWords({ ...state.config, ArgsEscaped: true }, 'Cmd', args);
  state.commandGiven = true;
  return `CMD ${quoteAll(args)}`;
}

/** Clears a CMD of the base: its words were meant for another program. */
function applyEntrypoint({ command }: Of<'entrypoint'>, state: StageState): string {
  const args = commandWords(command, state);
  const config = state.commandGiven ? state.config : withWords(state.config, 'Cmd', []);
  state.config = withWords(config, 'Entrypoint', args);
  return `ENTRYPOINT ${quoteAll(args)}`;
}

function commandWords(command: Command, state: StageState): readonly string[] {
  return command.form === 'exec' ? command.args : withShell(state, [command.text]);
}

function withWords(config: ContainerConfig, field: 'Cmd' | 'Entrypoint', words: readonly string[]): ContainerConfig {
  const { [field]: _, ...others } = config;
  return words.length === 0 ? others : { ...others, [field]: words };
}

function quoteAll(words: readonly string[]): string {
  return `[${words.map(goQuote).join(' ')}]`;
}

function applyExpose(instruction: Of<'expose'>, state: StageState): string {
  const words = instruction.ports.flatMap(
    (word) => note(state, instruction, expand(word, lookup(state), { escape: state.escape })).words,
  );
  const ports = words.flatMap(exposedPorts);
  state.config = { ...state.config, ExposedPorts: addKeys(state.config.ExposedPorts, ports) };
  return `EXPOSE [${ports.join(' ')}]`;
}

function applyVolume(instruction: Of<'volume'>, state: StageState): string {
  const paths = instruction.paths.map((path) => expandIn(state, path, instruction));
  if (paths.includes('')) throw invalid('VOLUME specified can not be an empty string');
  state.config = { ...state.config, Volumes: addKeys(state.config.Volumes, paths) };
  return `VOLUME [${paths.join(' ')}]`;
}

function addKeys(
  before: Readonly<Record<string, object>> | null | undefined,
  keys: readonly string[],
): Readonly<Record<string, object>> {
  return { ...before, ...Object.fromEntries(keys.map((key) => [key, {}])) };
}

function applyHealthcheck(instruction: Of<'healthcheck'>, state: StageState): string {
  const duration = (name: string): number => parseGoDuration(flagValue(instruction.flags, name) || '0');
  const check = {
    Test: healthTest(instruction),
    Interval: instruction.none ? 0 : duration('interval'),
    Timeout: instruction.none ? 0 : duration('timeout'),
    StartPeriod: instruction.none ? 0 : duration('start-period'),
    StartInterval: instruction.none ? 0 : duration('start-interval'),
    Retries: instruction.none ? 0 : Number(flagValue(instruction.flags, 'retries') ?? 0),
  };
  const set = Object.entries(check).filter(([, value]) => value !== 0);
  state.config = { ...state.config, Healthcheck: Object.fromEntries(set) satisfies Healthcheck };
  const fields = Object.entries(check).map(([name, value]) => {
    if (typeof value !== 'number') return `${name}:[${value.join(' ')}]`;
    return `${name}:${name === 'Retries' ? value : formatGoDuration(value)}`;
  });
  return `HEALTHCHECK {${fields.join(' ')}}`;
}

function healthTest(instruction: Of<'healthcheck'>): readonly string[] {
  if (instruction.none) return ['NONE'];
  const { command } = instruction;
  return command.form === 'exec' ? ['CMD', ...command.args] : ['CMD-SHELL', command.text];
}

function workdirStep(
  instruction: Of<'workdir'>,
  state: StageState,
): OwnPart<Extract<Step, { kind: 'workdir' | 'metadata' }>> {
  const directory = joinWorkdir(state.config.WorkingDir ?? '/', expandIn(state, instruction.path, instruction));
  state.config = { ...state.config, WorkingDir: directory };
  const createdBy = `WORKDIR ${directory}`;
  const path = cleanPath(directory);
  if (path === '/') return { kind: 'metadata', createdBy };
  return { kind: 'workdir', createdBy, path, user: state.config.User ?? '' };
}
