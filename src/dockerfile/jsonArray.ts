import { syntaxError } from './syntaxError.ts';
import { trimStartBlanks } from './blank.ts';

/**
 * The JSON form of an instruction; undefined if the text is no JSON array, for then it is the shell form.
 * @throws BuildError `DOCKERFILE_SYNTAX` if it is an array with something else than strings in it
 */
export function parseJsonArray(text: string): readonly string[] | undefined {
  if (!trimStartBlanks(text).startsWith('[')) return undefined;
  let array: unknown;
  try {
    array = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!Array.isArray(array) || !array.every((word) => typeof word === 'string')) {
    throw syntaxError('when using JSON array syntax, arrays must be comprised of strings only');
  }
  return array;
}
