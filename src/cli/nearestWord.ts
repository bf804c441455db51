import { suggest } from '../dockerfile/suggest.ts';

/** The known word that a mistyped one most likely stands for; undefined if none is near. Known words are apart by dashes. */
export function nearestWord(typed: string, known: readonly string[]): string | undefined {
  const word = typed
    .replace(/([a-z])([A-Z])/g, '$1-$2')
    .replaceAll('_', '-')
    .toLowerCase();
  return known.includes(word) ? word : (suggest(word, known) ?? uniqueContinuation(word, known));
}

function uniqueContinuation(start: string, known: readonly string[]): string | undefined {
  const longer = start.length < 3 ? [] : known.filter((word) => word.startsWith(start));
  return longer.length === 1 ? longer[0] : undefined;
}
