/** One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1); scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;

/** All challenges of a header; what can't be understood ends the list, as hostile input may be anything. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let parameters = new Map<string, string>();
  let position = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = position;
    const found = pattern.exec(header);
    if (found === null) return undefined;
    position += found[0].length;
    return found[1] ?? found[0];
  };
  while (position < header.length) {
    match(/[\s,]*/y);
    const word = match(TOKEN);
    if (word === undefined) break;
    if (match(/(\s*=\s*)(?=["!#$%&'*+.^_`|~0-9A-Za-z-])/y) === undefined) {
      parameters = new Map();
      challenges.push({ scheme: word.toLowerCase(), parameters });
      // A token68, as Negotiate and NTLM send.
      match(/ +[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))/y);
      continue;
    }
    const value = match(QUOTED)?.replace(/\\(.)/g, '$1') ?? match(TOKEN);
    if (value === undefined) break;
    if (!parameters.has(word.toLowerCase())) parameters.set(word.toLowerCase(), value);
  }
  return challenges;
}
