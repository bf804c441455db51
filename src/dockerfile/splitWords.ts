import { isBlank } from './blank.ts';

/** Cuts a text at blanks outside quotes. Quotes and escapes stay: the expansion takes them away later. */
export function splitWords(text: string, escape: string): string[] {
  const words: string[] = [];
  let word = '';
  let started = false;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (quote === '' && isBlank(character)) {
      if (started) words.push(word);
      [word, started] = ['', false];
      continue;
    }
    if (character === escape && quote !== "'") {
      // An escape at the very end protects nothing and goes.
      if (at + 1 < text.length) word += character + (text[++at] ?? '');
      started ||= word !== '';
      continue;
    }
    if (character === quote) quote = '';
    else if (quote === '' && (character === '"' || character === "'")) quote = character;
    word += character;
    started = true;
  }
  if (started) words.push(word);
  return words;
}
