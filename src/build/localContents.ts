import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Layer } from '../image/image.ts';
import { extractFiles } from '../layer/extractFiles.ts';
import type { Change, Changes } from '../tree/change.ts';
import type { Content } from '../tree/entry.ts';
import { resolvePath } from '../tree/resolve.ts';
import type { Tree } from '../tree/tree.ts';

export type ReadBlob = (layer: Layer) => AsyncIterable<Uint8Array>;

/** Changes whose contents are all on this disk, until disposed. */
export interface LocalChanges extends Disposable {
  readonly changes: Changes;
}

/** Fetches what changes take out of layers: each layer is read once, for all the files wanted of it. */
export async function localContents(changes: Changes, scratch: string, readBlob: ReadBlob): Promise<LocalChanges> {
  const wanted = new Map<Layer, Map<number, string>>();
  let directory: string | undefined;
  let count = 0;
  const local = changes.map((change): Change => {
    if (change.kind !== 'put' || change.content?.kind !== 'layer' || change.entry.size === 0) return change;
    const { layer, offset } = change.content;
    directory ??= makeScratch(scratch);
    const files = wanted.get(layer) ?? new Map<number, string>();
    wanted.set(layer, files);
    const path = files.get(offset) ?? join(directory, String(count++));
    files.set(offset, path);
    return { ...change, content: { kind: 'disk', path } };
  });
  const remove = (): void => {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  };
  try {
    await Promise.all([...wanted].map(([layer, files]) => extractFiles(readBlob(layer), layer, files)));
  } catch (error) {
    remove();
    throw error;
  }
  return { changes: local, [Symbol.dispose]: remove };
}

/** Bytes of a file that a build reads for itself, such as /etc/passwd; larger ones are not believed. */
const SMALL_FILE = 4 << 20;

/** The text of a small regular file of a tree, links followed inside the root; undefined if there is no such file. */
export async function readSmallFile(
  tree: Tree,
  path: string,
  scratch: string,
  readBlob: ReadBlob,
): Promise<string | undefined> {
  const { node } = resolvePath(tree, path);
  if (node === undefined) return undefined;
  const { type, size } = tree.entry(node);
  if (type !== 'file' || size > SMALL_FILE) return undefined;
  if (size === 0) return '';
  return readContent(tree.content(node), scratch, readBlob);
}

async function readContent(content: Content, scratch: string, readBlob: ReadBlob): Promise<string> {
  if (content.kind === 'bytes') return Buffer.from(content.bytes).toString('utf8');
  if (content.kind === 'disk') return readFileSync(content.path, 'utf8');
  const directory = makeScratch(scratch);
  try {
    const path = join(directory, 'file');
    await extractFiles(readBlob(content.layer), content.layer, new Map([[content.offset, path]]));
    return readFileSync(path, 'utf8');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function makeScratch(scratch: string): string {
  mkdirSync(scratch, { recursive: true });
  return mkdtempSync(join(scratch, 'contents-'));
}
