import { closeSync, openSync, readSync } from 'node:fs';

const PT_INTERP = 3;

/** The loader that a 64-bit little-endian ELF program asks for by path; undefined for a static program, or what is none. */
export function programInterpreter(path: string): string | undefined {
  const descriptor = openSync(path, 'r');
  try {
    const header = read(descriptor, 0, 64);
    if (header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return undefined;
    const offset = Number(header.readBigUInt64LE(32));
    const size = header.readUInt16LE(54);
    const count = header.readUInt16LE(56);
    const table = read(descriptor, offset, size * count);
    for (let at = 0; at + 56 <= table.length; at += size) {
      if (table.readUInt32LE(at) !== PT_INTERP) continue;
      const text = read(descriptor, Number(table.readBigUInt64LE(at + 8)), Number(table.readBigUInt64LE(at + 32)));
      return text.toString('utf8').replace(/\0.*$/s, '');
    }
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

function read(descriptor: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(descriptor, bytes, 0, length, offset));
}
