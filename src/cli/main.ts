// kasane's command line: finds the command and loads only what that command needs.
import { version } from '../version.ts';
import { kanikoVersion } from './version.ts';

interface Command {
  readonly summary: string;
  /** Gives the exit code. */
  readonly run: (args: readonly string[]) => Promise<number>;
}

const commands: Readonly<Record<string, Command>> = {
  build: {
    summary: 'Build an image from a Dockerfile',
    run: async (args) => (await import('./buildCommand.ts')).buildCommand('kasane', args),
  },
  executor: {
    summary: "The same, with kaniko's flags, defaults and words",
    run: async (args) => {
      if (args[0] !== 'version') return (await import('./buildCommand.ts')).buildCommand('executor', args);
      process.stdout.write(kanikoVersion);
      return 0;
    },
  },
  explain: {
    summary: 'Show why steps of the last build were not found in its cache',
    run: async (args) => (await import('./explain.ts')).explain(args),
  },
  imagediff: {
    summary: 'Compare two images entry by entry',
    run: async (args) => (await import('./imagediff.ts')).imagediffCommand(args),
  },
  help: { summary: 'Show this help, or that of a command', run: help },
  version: {
    summary: 'Print the version',
    run: async () => {
      process.stdout.write(`kasane ${version}\n`);
      return 0;
    },
  },
};

try {
  // Not by emptying the event loop: a connection or thread that is left over must not hold the program.
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  const { errorText } = await import('../report/errorText.ts');
  process.stderr.write(errorText(error, { debug: false }));
  process.exit(1);
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h') return help(args);
  const command = name === '--version' ? commands['version'] : commands[name];
  return command === undefined ? refuse(name) : command.run(args);
}

async function refuse(name: string): Promise<number> {
  const { unknownCommand } = await import('./unknownCommand.ts');
  process.stderr.write(unknownCommand(name, Object.keys(commands)));
  return 1;
}

async function help([name]: readonly string[]): Promise<number> {
  if (name === 'build' || name === 'executor' || name === 'explain' || name === 'imagediff')
    return (await commands[name]?.run(['--help'])) ?? 0;
  if (name !== undefined && commands[name] === undefined) return refuse(name);
  const width = Math.max(...Object.keys(commands).map((word) => word.length));
  const lines = Object.entries(commands).map(([word, { summary }]) => `  ${word.padEnd(width)}   ${summary}\n`);
  process.stdout.write(
    [
      'Builds container images from a Dockerfile, without a daemon.\n\n',
      'Usage:\n  kasane [command]\n\n',
      'Commands:\n',
      ...lines,
      '\nUse "kasane [command] --help" for more about a command.\n',
    ].join(''),
  );
  return 0;
}
