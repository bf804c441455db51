import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { programInterpreter } from '../linux/programInterpreter.ts';

/** Where kasane, its Node.js and its data are: what has to stay when `/` is borrowed. Absolute. */
export function ownDirectories(dataDirectory: string): string[] {
  return [dataDirectory, installation(import.meta.dirname), dirname(realpathSync(process.execPath))];
}

/** Whether Node.js starts whatever lies in `/`: its loader is one of our own. The executor image is made so. */
export function standsAlone(own: readonly string[]): boolean {
  const interpreter = programInterpreter(process.execPath);
  return interpreter === undefined || own.some((directory) => interpreter.startsWith(`${directory}/`));
}

/** The package that a module of ours belongs to. */
function installation(directory: string): string {
  if (existsSync(join(directory, 'package.json')) || directory === '/') return directory;
  return installation(dirname(directory));
}
