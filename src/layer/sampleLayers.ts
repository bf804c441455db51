import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestOf } from '../image/digest.ts';
import type { Layer } from '../image/image.ts';
import type { TarHeader } from '../tar/header.ts';
import { encodeTarHeader, TAR_END, tarPadding } from '../tar/writer.ts';

// For tests: layers as blobs on disk.

/** An archive entry; a file's content is `content`, or as many `x` as its size says. */
export interface SampleEntry {
  readonly header: TarHeader;
  readonly content?: Uint8Array;
}

export function archiveOf(entries: readonly (TarHeader | SampleEntry)[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    const { header, content }: SampleEntry = 'header' in entry ? entry : { header: entry };
    const bytes = content ?? Buffer.alloc(header.type === 'file' ? header.size : 0, 'x');
    parts.push(encodeTarHeader({ ...header, size: bytes.length }), bytes, tarPadding(bytes.length));
  }
  return Buffer.concat([...parts, TAR_END]);
}

/** Layers in a directory of their own, by `blobPath`. */
export class SampleBlobs {
  readonly directory: string;
  #reads = 0;

  constructor(directory: string) {
    this.directory = directory;
  }

  layer(...entries: readonly (TarHeader | SampleEntry)[]): Layer {
    const archive = archiveOf(entries);
    const blob = gzipSync(archive, { level: 1 });
    const digest = digestOf(blob);
    writeFileSync(join(this.directory, digest), blob);
    const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
    return { descriptor: { mediaType, digest, size: blob.length }, diffId: digestOf(archive), locations: [] };
  }

  blobPath(layer: Layer): string {
    this.#reads++;
    return join(this.directory, layer.descriptor.digest);
  }

  /** How often a blob was asked for. */
  get reads(): number {
    return this.#reads;
  }
}

/** A directory that is gone when the test ends. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
