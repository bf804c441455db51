import { fromText } from '../../src/byteString.ts';
import { NO_XATTRS, type TarHeader, type Xattrs } from '../../src/tar/header.ts';
import { encodeTarHeader, TAR_END, tarPadding } from '../../src/tar/writer.ts';
import { writeLayout, type LayoutConfig, type LayoutLayer } from '../bases/layout.ts';
import type { Workbench } from './workbench.ts';

/** An entry of a tar, to be written exactly so and in this order. */
export interface HandmadeEntry {
  readonly path: string;
  readonly type?: TarHeader['type'];
  readonly content?: string | Uint8Array;
  readonly target?: string;
  readonly mode?: number;
  readonly owner?: readonly [number, number];
  readonly device?: readonly [number, number];
  readonly xattrs?: Xattrs;
}

export interface HandmadeBase {
  /** A layout whose layers come first. */
  readonly on?: string;
  readonly layers: readonly (readonly HandmadeEntry[])[];
  readonly config?: LayoutConfig & Readonly<Record<string, unknown>>;
}

/** Writes an OCI layout whose layers hold exactly these entries; gives its directory. */
export async function handmadeBase(bench: Workbench, { on, layers, config = {} }: HandmadeBase): Promise<string> {
  const directory = bench.path('base');
  const lower: LayoutLayer[] = on === undefined ? [] : [{ layersOf: on }];
  await writeLayout(directory, [...lower, ...layers.map((entries) => ({ tar: () => tarOf(entries) }))], config);
  return directory;
}

/** A tar of these entries, in their order. */
export async function* tarOf(entries: Iterable<HandmadeEntry>): AsyncGenerator<Uint8Array> {
  for (const { path, content = '', type = 'file', ...more } of entries) {
    const bytes = Buffer.from(content);
    yield encodeTarHeader({
      type,
      path: fromText(path),
      mode: more.mode ?? (type === 'directory' ? 0o755 : type === 'symlink' ? 0o777 : 0o644),
      uid: more.owner?.[0] ?? 0,
      gid: more.owner?.[1] ?? 0,
      size: bytes.length,
      mtime: { seconds: 1_700_000_000, nanoseconds: 0 },
      linkTarget: fromText(more.target ?? ''),
      deviceMajor: more.device?.[0] ?? 0,
      deviceMinor: more.device?.[1] ?? 0,
      xattrs: more.xattrs ?? NO_XATTRS,
    });
    yield bytes;
    yield tarPadding(bytes.length);
  }
  yield TAR_END;
}
