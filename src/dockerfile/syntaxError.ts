import { BuildError } from '../errors.ts';
import type { SourceLocation } from '../errors.ts';

/** A fault in the Dockerfile's text, not yet placed: `placeSyntaxError` adds the line. */
export function syntaxError(message: string, hint?: string): BuildError {
  return new BuildError('DOCKERFILE_SYNTAX', message, hint === undefined ? {} : { hint });
}

/** Runs `parse`; a syntax error in it gets its place and BuildKit's wording, `dockerfile parse error on line N: …`. */
export function placeSyntaxError<T>(location: SourceLocation, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof BuildError) || error.location !== undefined) throw error;
    throw new BuildError(
      'DOCKERFILE_SYNTAX',
      `dockerfile parse error on line ${location.startLine}: ${error.message}`,
      {
        location,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      },
    );
  }
}
