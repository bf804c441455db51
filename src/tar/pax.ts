import type { ByteString } from '../byteString.ts';
import { compareBytes, toText } from '../byteString.ts';
import type { Timestamp } from './header.ts';
import { invalidTar } from './invalidTar.ts';

/** Keyword to value, both bytes. */
export type PaxRecords = ReadonlyMap<string, ByteString>;

export const NO_RECORDS: PaxRecords = new Map();

export const SPARSE_MAP = 'GNU.sparse.map';

/**
 * The records of a PAX extended header (POSIX pax, "Extended Header"): `length SP keyword=value LF`, each counted with
 * its own length. The repeated records of GNU's sparse format 0.0 are given as the one `GNU.sparse.map` of 0.1.
 * `offset` is the header's place in the archive, for messages.
 * @throws BuildError `TAR_INVALID`
 */
export function parsePaxRecords(bytes: Buffer, offset?: number): PaxRecords {
  const records = new Map<string, ByteString>();
  const sparse: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const { key, value, end } = parseRecord(bytes, at, offset);
    at = end;
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
      const isOffset = sparse.length % 2 === 0;
      if (isOffset !== (key === 'GNU.sparse.offset') || !/^\d+$/.test(value)) {
        throw invalidTar('a sparse map in a PAX header is out of order', offset);
      }
      sparse.push(value);
    } else {
      records.set(key, value);
    }
  }
  if (sparse.length > 0) records.set(SPARSE_MAP, sparse.join(',') as ByteString);
  return records;
}

/** Records sorted by keyword, as Go's archive/tar writes them. */
export function formatPaxRecords(records: PaxRecords): string {
  const sorted = [...records].sort(([a], [b]) => compareBytes(a, b));
  return sorted.map(([key, value]) => formatRecord(key, value)).join('');
}

/** A decimal integer that a number holds exactly. @throws BuildError `TAR_INVALID` */
export function parsePaxInteger(key: string, value: ByteString): number {
  const number = /^-?\d{1,16}$/.test(value) ? Number(value) : NaN;
  if (Number.isSafeInteger(number)) return number;
  throw invalidTar(
    `the PAX record ${key} holds ${JSON.stringify(toText(value).slice(0, 40))}, which is no valid number`,
  );
}

/** Decimal seconds with a fraction, digits beyond nanoseconds dropped. @throws BuildError `TAR_INVALID` */
export function parsePaxTime(key: string, value: ByteString): Timestamp {
  const [, sign, whole = '', fraction = ''] = /^(-?)(\d*)(?:\.(\d*))?$/.exec(value) ?? [];
  const seconds = Number(whole);
  if (sign === undefined || whole === '' || seconds >= Number.MAX_SAFE_INTEGER) {
    throw invalidTar(
      `the PAX record ${key} holds ${JSON.stringify(toText(value).slice(0, 40))}, which is no valid time`,
    );
  }
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (sign === '') return { seconds, nanoseconds };
  if (nanoseconds === 0) return { seconds: 0 - seconds, nanoseconds: 0 };
  return { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}

/** The shortest form that `parsePaxTime` reads back exactly. */
export function formatPaxTime({ seconds, nanoseconds }: Timestamp): ByteString {
  if (nanoseconds === 0) return String(seconds) as ByteString;
  const negative = seconds < 0;
  const whole = negative ? -(seconds + 1) : seconds;
  const fraction = negative ? 1e9 - nanoseconds : nanoseconds;
  return `${negative ? '-' : ''}${whole}.${String(fraction).padStart(9, '0').replace(/0+$/, '')}` as ByteString;
}

interface PaxRecord {
  readonly key: string;
  readonly value: ByteString;
  readonly end: number;
}

function parseRecord(bytes: Buffer, start: number, offset?: number): PaxRecord {
  let at = start;
  let length = 0;
  for (; at < start + 8; at++) {
    const digit = (bytes[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    length = length * 10 + digit;
  }
  const end = start + length;
  const equals = bytes.indexOf(0x3d, at + 1);
  const sound = bytes[at] === 0x20 && equals > at + 1 && equals < end && end <= bytes.length && bytes[end - 1] === 0x0a;
  if (!sound) throw invalidTar('a PAX header with a malformed record', offset);
  const key = bytes.toString('latin1', at + 1, equals);
  const value = bytes.toString('latin1', equals + 1, end - 1) as ByteString;
  if (WITHOUT_NUL.has(key) ? value.includes('\0') : key.includes('\0')) {
    throw invalidTar('a PAX header with a NUL byte in a name', offset);
  }
  return { key, value, end };
}

const WITHOUT_NUL = new Set(['path', 'linkpath', 'uname', 'gname', 'GNU.sparse.name']);

function formatRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const guess = rest.length + String(rest.length).length;
  const length = rest.length + String(guess).length;
  return `${length}${rest}`;
}
