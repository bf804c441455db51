import { fromText, toText, type ByteString } from '../byteString.ts';

/** A name for a terminal: bytes that are not UTF-8 and control characters come as `\xff`, a backslash doubled. */
export function printable(value: ByteString): string {
  const text = toText(value);
  const isText = fromText(text) === value;
  return (isText ? text : value).replace(isText ? CONTROL : CONTROL_OR_HIGH, (character) =>
    character === '\\' ? '\\\\' : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

// eslint-disable-next-line no-control-regex
const CONTROL = /[\0-\x1f\x7f-\x9f\\]/g;
// eslint-disable-next-line no-control-regex
const CONTROL_OR_HIGH = /[\0-\x1f\x7f-\xff\\]/g;
