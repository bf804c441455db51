import { nearestWord } from './nearestWord.ts';

/** The error text for a first word that is no command. */
export function unknownCommand(name: string, commands: readonly string[]): string {
  if (name.startsWith('-')) {
    return `Error: unknown flag: ${name}\nHint: Name the command first, as in: kasane build ${name}\n`;
  }
  const near = nearestWord(name, commands);
  const hint = near === undefined ? "Run 'kasane --help' for the commands." : `Did you mean: kasane ${near}?`;
  return `Error: unknown command ${JSON.stringify(name)} for "kasane"\nHint: ${hint}\n`;
}
