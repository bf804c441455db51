/** The known word that a mistyped one most likely stands for; undefined if none is near. */
export function nearestWord(typed: string, known: readonly string[]): string | undefined {
  const wanted = normalise(typed);
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 4)) + 1;
  for (const word of known) {
    const distance = editDistance(wanted, normalise(word));
    if (distance < bestDistance) [best, bestDistance] = [word, distance];
  }
  return best ?? uniqueContinuation(wanted, known);
}

/** Spelled the way flags are: lower case, words apart by dashes. */
function normalise(word: string): string {
  return word
    .replace(/([a-z])([A-Z])/g, '$1-$2')
    .replaceAll('_', '-')
    .toLowerCase();
}

function uniqueContinuation(start: string, known: readonly string[]): string | undefined {
  const longer = start.length < 3 ? [] : known.filter((word) => word.startsWith(start));
  return longer.length === 1 ? longer[0] : undefined;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(previous, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min(at(row, j - 1) + 1, at(previous, j) + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, at(beforePrevious, j - 2) + 1);
      }
      row.push(distance);
    }
    [beforePrevious, previous] = [previous, row];
  }
  return at(previous, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
