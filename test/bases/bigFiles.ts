import { fromText } from '../../src/byteString.ts';
import { NO_XATTRS, type TarHeader } from '../../src/tar/header.ts';
import { encodeTarHeader, TAR_END, tarPadding } from '../../src/tar/writer.ts';

const DIRECTORIES = 140;
const FILES_IN_EACH = 104;
const SIZE = 20_000;

/**
 * A tar of 14,560 files of about 20 kB below /opt/big, the same each time: two of three are text that compresses well, the others
 * don't compress.
 */
export async function* bigFiles(part: number): AsyncGenerator<Uint8Array> {
  const random = xorshift(part + 1);
  const noise = Buffer.alloc(1 << 20);
  for (let at = 0; at < noise.length; at += 4) noise.writeUInt32LE(random(), at);
  const words = Array.from({ length: 512 }, () =>
    random()
      .toString(36)
      .slice(0, 2 + (random() % 6)),
  );
  const text = Buffer.from(Array.from({ length: 200_000 }, () => words[random() % words.length]).join(' '));
  const top = `opt/big/${part}`;
  for (const path of ['opt', 'opt/big', top]) yield encodeTarHeader(header(path, 'directory', 0));
  for (let directory = 0; directory < DIRECTORIES; directory++) {
    const parent = `${top}/d${directory}`;
    yield encodeTarHeader(header(parent, 'directory', 0));
    for (let file = 0; file < FILES_IN_EACH; file++) {
      const size = SIZE / 2 + (random() % SIZE);
      const source = file % 3 === 0 ? noise : text;
      const start = random() % (source.length - size);
      yield encodeTarHeader(header(`${parent}/f${file}`, 'file', size));
      yield source.subarray(start, start + size);
      yield tarPadding(size);
    }
  }
  yield TAR_END;
}

function header(path: string, type: 'file' | 'directory', size: number): TarHeader {
  return {
    type,
    path: fromText(path),
    mode: type === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    size,
    mtime: { seconds: 1_700_000_000, nanoseconds: 0 },
    linkTarget: fromText(''),
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: NO_XATTRS,
  };
}

/** Marsaglia's xorshift32: unsigned 32-bit numbers, the same for the same seed. */
function xorshift(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}
