/** Where in a Dockerfile an error lies; `lines` are numbered from 1 and inclusive. */
export interface SourceLocation {
  readonly file: string;
  readonly startLine: number;
  readonly endLine: number;
  /** The file's lines around the location, the offending ones marked, as BuildKit prints them. */
  readonly excerpt?: string;
}

export interface BuildErrorOptions {
  /** What the user can do next; one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
  readonly location?: SourceLocation;
  /** What the program ends with; 1 unless a RUN failed with a code of its own. */
  readonly exitCode?: number;
  /** Facts of this kind of error, for programs: status codes, digests, paths. Never secrets. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * The one error class for everything a user can act on. Programmer mistakes are plain errors.
 * `code` is stable and documented; the message is a sentence that names the file, line or registry.
 */
export class BuildError extends Error {
  override readonly name = 'BuildError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly location: SourceLocation | undefined;
  readonly exitCode: number;
  readonly facts: Readonly<Record<string, string | number | boolean>>;

  constructor(code: string, message: string, options: BuildErrorOptions = {}) {
    super(redact(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint === undefined ? undefined : redact(options.hint);
    this.location = options.location;
    this.exitCode = options.exitCode ?? 1;
    this.facts = options.facts ?? {};
  }

  /** The same error, placed in a Dockerfile; an error that already has a place keeps it. */
  at(location: SourceLocation): BuildError {
    if (this.location !== undefined) return this;
    const { code, message, hint, cause, exitCode, facts } = this;
    return new BuildError(code, message, {
      location,
      exitCode,
      facts,
      ...(hint === undefined ? {} : { hint }),
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** True for an error of the operating system with one of these codes (`ENOENT`, …). */
export function hasErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Takes the user part out of every URL in a text: `https://user:secret@host` becomes `https://xxxxx@host`. */
export function redact(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, '$1xxxxx@');
}
