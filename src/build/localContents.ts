import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Layer } from '../image/image.ts';
import { extractFiles } from '../layer/extractFiles.ts';
import type { Change, Changes } from '../tree/change.ts';
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

/**
 * The texts of small regular files of a tree, links followed inside the root; undefined where there is no such file. Each layer is read
 * once for all of them.
 */
export async function readSmallFiles(
  tree: Tree,
  paths: readonly string[],
  scratch: string,
  readBlob: ReadBlob,
): Promise<(string | undefined)[]> {
  const found = paths.map((path) => smallFile(tree, path));
  const changes = found.filter((change) => change !== undefined);
  using local = await localContents(changes, scratch, readBlob);
  const texts = local.changes.map(textOf);
  return found.map((change) => (change === undefined ? undefined : texts.shift()));
}

function smallFile(tree: Tree, path: string): Change | undefined {
  const { node, path: real } = resolvePath(tree, path);
  const entry = node === undefined ? undefined : tree.entry(node);
  if (node === undefined || entry?.type !== 'file' || entry.size > SMALL_FILE) return undefined;
  return { kind: 'put', path: real, entry, ...(entry.size === 0 ? {} : { content: tree.content(node) }) };
}

function textOf(change: Change): string {
  const content = change.kind === 'put' ? change.content : undefined;
  if (content?.kind === 'disk') return readFileSync(content.path, 'utf8');
  return content?.kind === 'bytes' ? Buffer.from(content.bytes).toString('utf8') : '';
}

function makeScratch(scratch: string): string {
  mkdirSync(scratch, { recursive: true });
  return mkdtempSync(join(scratch, 'contents-'));
}
