import { goQuote } from './goQuote.ts';
import { splitWords } from './splitWords.ts';
import { syntaxError } from './syntaxError.ts';
import type { KeyValue } from './instruction.ts';

/** `k=v …` of ENV and LABEL, or their old form `k v`, which takes the rest of the line as the value. */
export function parseKeyValues(keyword: string, rest: string, escape: string): readonly KeyValue[] {
  const words = splitWords(rest, escape);
  const [first] = words;
  if (first === undefined) throw syntaxError(`${keyword} requires at least one argument`);
  if (!first.includes('=')) return [parseLegacy(keyword, rest)];
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) {
      throw syntaxError(`Syntax error - can't find = in ${goQuote(word)}. Must be of the form: name=value`);
    }
    if (equals === 0) throw syntaxError(`${keyword} names can not be blank`);
    return { key: word.slice(0, equals), value: word.slice(equals + 1) };
  });
}

function parseLegacy(keyword: string, rest: string): KeyValue {
  const match = /^([^\t\v\f\r ]*)[\t\v\f\r ]+([^]*)$/.exec(rest);
  if (match === null) throw syntaxError(`${keyword} must have two arguments`);
  return { key: match[1] ?? '', value: match[2] ?? '', legacy: true };
}
