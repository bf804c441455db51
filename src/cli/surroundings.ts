/** Who asks: kaniko's executor, or a person at a prompt (`kasane build`). */
export type Face = 'executor' | 'kasane';

/** What a request takes from the process that makes it. */
export interface Surroundings {
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** CPUs this process may use. */
  readonly cpus: number;
  readonly uid: number;
  readonly isWritableDirectory: (path: string) => boolean;
  /** Whether a directory is there and can be written to, or can be made. */
  readonly canHaveDirectory: (path: string) => boolean;
}
