const SECRET_NAME =
  /(^|[_-])(pass(word|wd|phrase)?|pwd|secret|token|credentials?|auth|(api|access|private|signing|encryption|ssh)[_-]?key|apikey)([_-]|\d*$)/i;

/** The values of build arguments whose names say that they are secret. */
export function secretValues(args: readonly { readonly name: string; readonly value: string }[]): string[] {
  return args
    .filter(({ name, value }) => value.length >= SHORTEST && SECRET_NAME.test(snake(name)))
    .map(({ value }) => value);
}

/** A function that hides the values wherever they stand in a text. */
export function hideValues(values: readonly string[]): (text: string) => string {
  if (values.length === 0) return (text) => text;
  const longestFirst = [...new Set(values)].sort((a, b) => b.length - a.length).map((value) => RegExp.escape(value));
  const pattern = new RegExp(longestFirst.join('|'), 'g');
  return (text) => text.replace(pattern, '****');
}

/** A value shorter than this would be found everywhere, and hides nothing. */
const SHORTEST = 3;

function snake(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1_$2');
}
