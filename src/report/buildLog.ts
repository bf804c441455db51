import type { BuildEvent, EventListener, StageLabel } from '../events.ts';
import { formatSize, formatTime } from './humanUnits.ts';
import { logLine } from './logLine.ts';
import type { LogEntry, LogLineOptions } from './logLine.ts';
import { runOutput } from './runOutput.ts';
import type { RunOutput, Sink } from './runOutput.ts';
import { isShown } from './verbosity.ts';
import type { Verbosity } from './verbosity.ts';

export interface BuildLogOptions extends LogLineOptions {
  readonly verbosity: Verbosity;
  /** For RUN's standard output. */
  readonly stdout: Sink;
  /** For the log, and RUN's standard error. */
  readonly stderr: Sink;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Takes secrets out of what is logged. */
  readonly hide: (text: string) => string;
}

export interface BuildLog {
  readonly listener: EventListener;
  readonly log: (level: Verbosity, message: string, fields?: LogEntry['fields']) => void;
  /** Shows what is still held back of commands that were cut off. */
  readonly end: () => void;
}

/** Reports a build line by line, in kaniko's words where kaniko has words for it. RUN output passes through. */
export function buildLog(options: BuildLogOptions): BuildLog {
  const log: BuildLog['log'] = (level, message, fields) => {
    if (!isShown(level, options.verbosity)) return;
    const entry: LogEntry = { level, message: options.hide(message), time: options.now() };
    options.stderr.write(
      logLine(fields === undefined ? entry : { ...entry, fields: hidden(fields, options) }, options),
    );
  };

  const running = new Set<number>();
  const outputs = new Map<string, RunOutput>();
  /** Empty while one stage has the log for itself. */
  const prefix = (stage: StageLabel): string => (running.size > 1 ? `[${stageName(stage)}] ` : '');
  const outputOf = (stage: StageLabel, stream: 'stdout' | 'stderr'): RunOutput => {
    const key = `${stage.index} ${stream}`;
    let output = outputs.get(key);
    if (output === undefined) {
      output = runOutput(options[stream], () => prefix(stage) || undefined);
      outputs.set(key, output);
    }
    return output;
  };
  const endOutput = (stage: StageLabel): void => {
    for (const stream of ['stdout', 'stderr']) {
      outputs.get(`${stage.index} ${stream}`)?.finish();
      outputs.delete(`${stage.index} ${stream}`);
    }
  };

  const listener = (event: BuildEvent): void => {
    switch (event.kind) {
      case 'log':
        log(event.level, `${event.stage === undefined ? '' : prefix(event.stage)}${event.message}`);
        break;
      case 'stage-started': {
        running.add(event.stage.index);
        const name = event.stage.name === undefined ? '' : `, name: '${event.stage.name}'`;
        log('info', `Building stage '${event.base}' [idx: '${event.stage.index}'${name}]`);
        break;
      }
      case 'stage-finished':
        endOutput(event.stage);
        log('debug', `Finished stage ${stageName(event.stage)} in ${formatTime(event.milliseconds)}`);
        running.delete(event.stage.index);
        break;
      case 'step-started':
        log('info', `${prefix(event.stage)}${event.text}`);
        break;
      case 'step-finished':
        endOutput(event.stage);
        log(isQuiet(event) ? 'debug' : 'info', `${prefix(event.stage)}${finishedStep(event)}`);
        break;
      case 'output':
        outputOf(event.stage, event.stream).write(event.chunk);
        break;
      case 'transfer':
        if (event.done === event.total) {
          log(
            'debug',
            `${event.direction === 'download' ? 'Downloaded' : 'Uploaded'} ${event.digest}, ${formatSize(event.total)}`,
          );
        } else {
          log(
            'trace',
            `${event.direction} of ${event.digest}: ${formatSize(event.done)} of ${formatSize(event.total)}`,
          );
        }
        break;
      case 'pushed':
        // The builder logs the line that pipelines look for.
        break;
    }
  };
  const end = (): void => {
    for (const output of outputs.values()) output.finish();
    outputs.clear();
  };
  return { listener, log, end };
}

function hidden(fields: NonNullable<LogEntry['fields']>, { hide }: BuildLogOptions): NonNullable<LogEntry['fields']> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? hide(value) : value]),
  );
}

type StepFinished = BuildEvent & { readonly kind: 'step-finished' };

/** Steps that only change metadata and took no time worth a line. */
function isQuiet(event: StepFinished): boolean {
  return (
    event.layer === undefined && !event.cached && event.milliseconds < 100 && !/^(RUN|COPY|ADD)\b/i.test(event.text)
  );
}

function finishedStep({ step, steps, text, milliseconds, cached, layer }: StepFinished): string {
  const size = layer === undefined ? 'no changes' : `layer ${formatSize(layer.size)}`;
  const how = cached ? 'CACHED' : formatTime(milliseconds);
  const [firstLine = ''] = text.split('\n', 1);
  return `Step ${step}/${steps} done: ${firstLine} (${how}, ${size})`;
}

function stageName(stage: StageLabel): string {
  return stage.name ?? String(stage.index);
}
