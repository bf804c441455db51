import { BuildError, messageOf } from '../errors.ts';

/**
 * What a user reads about an error that ends the program: the sentence, the place in the Dockerfile, the hint. No stack, unless the
 * error is a mistake of kasane's own and `debug` is on.
 */
export function errorText(error: unknown, options: { readonly debug: boolean }): string {
  if (error instanceof BuildError) {
    const { location, hint } = error;
    return [
      `Error: ${error.message}`,
      ...(location === undefined ? [] : [`${location.file}:${location.startLine}`]),
      ...(location?.excerpt === undefined ? [] : [location.excerpt.replace(/\n+$/, '')]),
      ...(hint === undefined ? [] : [`Hint: ${hint}`]),
      ...(options.debug ? causes(error) : []),
      '',
    ].join('\n');
  }
  const stack = error instanceof Error && options.debug ? [error.stack ?? '', ...causes(error)] : [];
  const advice = options.debug ? [] : ['Run it again with --verbosity=debug to see where it happened.'];
  return [`Error: this is a bug in kasane: ${messageOf(error)}`, ...stack, ...advice, ''].join('\n');
}

/** The same for programs that read a JSON log. */
export function errorFields(error: unknown): Record<string, string | number | boolean> {
  if (!(error instanceof BuildError)) return { code: 'BUG' };
  const { code, hint, location, facts } = error;
  return {
    ...facts,
    code,
    ...(hint === undefined ? {} : { hint }),
    ...(location === undefined ? {} : { file: location.file, line: location.startLine }),
  };
}

function causes(error: Error): string[] {
  const lines: string[] = [];
  for (let cause = error.cause; cause !== undefined; cause = cause instanceof Error ? cause.cause : undefined) {
    lines.push(`Caused by: ${messageOf(cause)}`);
  }
  return lines;
}
