import type { ByteString } from '../byteString.ts';

const VERSION_2 = 0x02;
const VERSION_3 = 0x03;
/** Of the version in its 32 bits, which are little-endian. */
const VERSION_BYTE = 3;
const LENGTH_2 = 20;

/**
 * The value of `security.capability` without the root of a user namespace (capabilities(7), version 3): its number belongs to the
 * machine where the file was made. What is no such value stays as it is.
 */
export function plainCapability(value: ByteString): ByteString {
  if (value.length !== LENGTH_2 + 4 || value.charCodeAt(VERSION_BYTE) !== VERSION_3) return value;
  return `${value.slice(0, VERSION_BYTE)}${String.fromCharCode(VERSION_2)}${value.slice(VERSION_BYTE + 1, LENGTH_2)}` as ByteString;
}
