import { usableCpus } from '../linux/cpuQuota.ts';
import { explainCommand } from './explainCommand.ts';
import { canHaveDirectory, isWritableDirectory } from './usableDirectory.ts';
import { userEnvironment } from './userEnvironment.ts';

/** `explainCommand` in this process. */
export async function explain(args: readonly string[]): Promise<number> {
  const around = {
    workingDirectory: process.cwd(),
    environment: userEnvironment(process.env),
    cpus: usableCpus(),
    uid: process.getuid?.() ?? 0,
    isWritableDirectory,
    canHaveDirectory,
  };
  return explainCommand(args, around, process);
}
