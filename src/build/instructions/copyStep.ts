import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { fromText, toText } from '../../byteString.ts';
import { compilePatterns } from '../../context/patternMatcher.ts';
import { BuildError } from '../../errors.ts';
import type { Step } from '../../plan/step.ts';
import type { Change, Changes } from '../../tree/change.ts';
import { newEntry, type Content, type Entry } from '../../tree/entry.ts';
import { LayerTree } from '../../tree/layerTree.ts';
import { componentsOf } from '../../tree/path.ts';
import { resolvePath } from '../../tree/resolve.ts';
import type { Tree, TreePath } from '../../tree/tree.ts';
import { resolveOwner, type AccountFiles } from '../../tree/users.ts';
import { WorkingTree } from '../../tree/workingTree.ts';
import type { BuildClock } from '../clock.ts';
import { localContents, type ReadBlob } from '../localContents.ts';
import { isArchive, unpackInto } from './archive.ts';
import { parseChmod } from './chmod.ts';
import { copyFiles, copyWithParents, type CopyRules } from './copyFiles.ts';
import { findSources, type CopyItem } from './copySources.ts';
import type { Downloader } from './download.ts';

export type CopyStep = Extract<Step, { kind: 'copy' | 'add' }>;

export interface CopyInputs {
  /** The stage's file system. */
  readonly destination: Tree;
  /** What `step.from` names. */
  readonly source: Tree;
  readonly accounts: () => Promise<AccountFiles>;
  readonly clock: BuildClock;
  /** Exists until the layer is written; for downloads and unpacked archives. */
  readonly scratch: string;
  readonly readBlob: ReadBlob;
  readonly download: Downloader;
}

/**
 * COPY and ADD: what they change, computed from trees alone.
 * @throws BuildError `COPY_SOURCE_MISSING`, `COPY_TYPE_CONFLICT`, `COPY_TARGET_INVALID`, `USER_UNKNOWN`, `CHMOD_INVALID`, download errors
 */
export async function copyStep(step: CopyStep, inputs: CopyInputs): Promise<Changes> {
  const rules = await rulesOf(step, inputs);
  // A linked layer depends on nothing below it: it is made on an empty root, and links in the way are not followed.
  const destination = new WorkingTree(step.link ? LayerTree.empty() : inputs.destination);
  requireDirectoryTarget(step, inputs.destination);
  for (const source of step.sources) {
    if (source.kind === 'inline') {
      const bytes = Buffer.from(source.content);
      copyOne(
        source.name,
        { kind: 'bytes', bytes },
        newEntry('file', { mode: 0o644, size: bytes.length, mtime: rules.now }),
        destination,
        step,
        rules,
      );
    } else if (source.kind === 'url') {
      const { path, name, size, mtime } = await inputs.download(source.url, step.checksum);
      if (step.unpack === true && (await isArchive(path))) await unpack(path, destination, step, rules, inputs);
      else
        copyOne(name, { kind: 'disk', path }, newEntry('file', { mode: 0o600, size, mtime }), destination, step, rules);
    } else await copyPath(source.path, destination, step, rules, inputs);
  }
  return destination.changes();
}

async function copyPath(
  path: string,
  destination: WorkingTree,
  step: CopyStep,
  rules: CopyRules,
  inputs: CopyInputs,
): Promise<void> {
  if (step.parents) {
    const pivot = path.indexOf('/./');
    const dropped = pivot < 0 ? 0 : componentsOf(path.slice(0, pivot)).filter((name) => name !== '.').length;
    copyWithParents(inputs.source, findSources(inputs.source, path), dropped, destination, step.destination, rules);
    return;
  }
  for (const item of findSources(inputs.source, path)) {
    const archive = step.kind === 'add' && step.unpack !== false ? await archivePath(item, inputs) : undefined;
    if (archive === undefined) copyFiles(inputs.source, [item], destination, step.destination, rules);
    else await unpack(archive, destination, step, rules, inputs);
  }
}

/** Where a source lies on this disk, if it is an archive. */
async function archivePath(
  item: CopyItem,
  { source, scratch, readBlob }: CopyInputs,
): Promise<string | Buffer | undefined> {
  const entry = source.entry(item.node);
  if (entry.type !== 'file' || entry.size === 0) return undefined;
  const change: Change = { kind: 'put', path: item.path, entry, content: source.content(item.node) };
  const { changes } = await localContents([change], scratch, readBlob);
  const local = changes[0];
  const content = local?.kind === 'put' ? local.content : undefined;
  return content?.kind === 'disk' && (await isArchive(content.path)) ? content.path : undefined;
}

async function unpack(
  path: string | Buffer,
  destination: WorkingTree,
  step: CopyStep,
  rules: CopyRules,
  { scratch }: CopyInputs,
): Promise<void> {
  mkdirSync(scratch, { recursive: true });
  await unpackInto(path, destination, step.destination, rules, mkdtempSync(join(scratch, 'archive-')));
}

/** A file that is in no tree: an inline document, a download. */
function copyOne(
  name: string,
  content: Content,
  entry: Entry,
  destination: WorkingTree,
  step: CopyStep,
  rules: CopyRules,
): void {
  const single = new WorkingTree(LayerTree.empty());
  const node = single.put(single.root, fromText(name), entry, content);
  copyFiles(single, [{ node, name: fromText(name), path: fromText(name) }], destination, step.destination, rules);
}

async function rulesOf(step: CopyStep, { accounts, clock }: CopyInputs): Promise<CopyRules> {
  const excludes = step.exclude.length === 0 ? undefined : compilePatterns(step.exclude);
  return {
    now: clock.now(),
    ...(step.chown === undefined ? {} : { owner: resolveOwner(step.chown, await accounts()) }),
    ...(step.chmod === undefined ? {} : { chmod: parseChmod(step.chmod) }),
    ...(excludes === undefined
      ? {}
      : {
          excludes: (path: TreePath, isDirectory: boolean) =>
            excludes.excludes(path) && !(isDirectory && excludes.mayContainException(path)),
        }),
  };
}

function requireDirectoryTarget(step: CopyStep, tree: Tree): void {
  if (step.sources.length < 2 || step.destination.endsWith('/')) return;
  const { node } = resolvePath(tree, fromText(step.destination));
  if (node !== undefined && tree.entry(node).type === 'directory') return;
  const name = step.kind.toUpperCase();
  throw new BuildError(
    'COPY_TARGET_INVALID',
    `When using ${name} with more than one source file, the destination must be a directory and end with a /`,
    { hint: `Write ${toText(fromText(step.destination))}/ instead.` },
  );
}
