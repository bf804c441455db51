declare const byteString: unique symbol;

/**
 * Bytes held in a string, one code unit (0–255) per byte: names, link targets and xattr values of Linux files need not
 * be UTF-8. Compact in memory, usable as a map key, and `<` orders it by bytes.
 */
export type ByteString = string & { readonly [byteString]: 'ByteString' };

/** The UTF-8 bytes of a text. */
export function fromText(text: string): ByteString {
  return (isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')) as ByteString;
}

export function fromBytes(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1') as ByteString;
}

export function toBytes(value: ByteString): Buffer {
  return Buffer.from(value, 'latin1');
}

/** For people: decodes UTF-8; what is not UTF-8 becomes U+FFFD. */
export function toText(value: ByteString): string {
  return isAscii(value) ? value : Buffer.from(value, 'latin1').toString('utf8');
}

/** For `node:fs`: a plain string where that names the same bytes, else a Buffer. */
export function toFsPath(value: ByteString): string | Buffer {
  return isAscii(value) ? value : toBytes(value);
}

/** Byte order, as sorting needs it. */
export function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const NOT_ASCII = /[^\0-\x7f]/;

function isAscii(text: string): boolean {
  return !NOT_ASCII.test(text);
}
