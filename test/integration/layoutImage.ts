import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** An image read from an OCI layout with JSON.parse and GNU tar: nothing of kasane's own. */
export interface LayoutImage {
  readonly mediaType: string;
  readonly manifest: Manifest;
  readonly config: Config;
  /** A layer's entries in the order of the tar; a negative index counts from the top. */
  layer(index: number): readonly TarLine[];
  /** For each layer, the paths of its entries. */
  layers(): readonly (readonly string[])[];
  /** A file's text as a layer holds it; a negative index counts from the top. */
  text(index: number, path: string): string;
}

interface Manifest {
  readonly mediaType: string;
  readonly config: { readonly mediaType: string; readonly digest: string };
  readonly layers: readonly { readonly mediaType: string; readonly digest: string; readonly size: number }[];
}

interface Config {
  readonly created?: string;
  readonly architecture: string;
  readonly os: string;
  readonly config: Readonly<Record<string, unknown>> & {
    readonly Env?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Labels?: Readonly<Record<string, string>>;
    readonly OnBuild?: readonly string[];
    readonly User?: string;
    readonly WorkingDir?: string;
    readonly Volumes?: object;
  };
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly history: readonly {
    readonly created_by?: string;
    readonly created?: string;
    readonly empty_layer?: boolean;
  }[];
}

/** What GNU tar says of an entry. */
export interface TarLine {
  /** Without a slash at its end. */
  readonly path: string;
  /** As ls writes it, without tar's mark for extended attributes: `drwxr-xr-x`; a hard link begins with `h`. */
  readonly mode: string;
  /** `uid/gid` */
  readonly owner: string;
  /** A file's size, or `major,minor`. */
  readonly size: string;
  /** Of a symbolic or hard link. */
  readonly target?: string;
  /** As tar says it: in UTC. */
  readonly time: string;
}

export function readLayout(layout: string): LayoutImage {
  const index = readJson(join(layout, 'index.json')) as { manifests: [{ digest: string; mediaType: string }] };
  const [{ digest, mediaType }] = index.manifests;
  const manifest = readJson(blobPath(layout, digest)) as Manifest;
  const config = readJson(blobPath(layout, manifest.config.digest)) as Config;
  const blobOf = (number: number): string => {
    const found = manifest.layers.at(number);
    if (found === undefined) throw new Error(`there is no layer ${number}`);
    return blobPath(layout, found.digest);
  };
  const layer = (number: number): TarLine[] => listTar(blobOf(number));
  return {
    mediaType,
    manifest,
    config,
    layer,
    layers: () => manifest.layers.map((_layer, number) => layer(number).map(({ path }) => path)),
    text: (number, path) =>
      execFileSync('tar', ['--extract', '--to-stdout', '-f', blobOf(number), path], { encoding: 'utf8' }),
  };
}

export function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs/sha256', digest.slice('sha256:'.length));
}

/** Lists an archive, plain or compressed, with GNU tar. Names keep tar's escapes for bytes that are no ASCII. */
export function listTar(file: string): TarLine[] {
  const args = ['--list', '--verbose', '--numeric-owner', '--full-time', '--utc', '--quoting-style=escape', '-f', file];
  const text = execFileSync('tar', args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, LC_ALL: 'C' },
  });
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine);
}

function parseLine(line: string): TarLine {
  const match = /^(\S{10})\S?\s+(\d+\/\d+)\s+(\d+(?:,\d+)?)\s+(\S+ \S+)\s(.*)$/.exec(line);
  if (match === null) throw new Error(`tar wrote: ${line}`);
  const [, mode = '', owner = '', size = '', time = '', rest = ''] = match;
  const [name = '', target] = rest.split(mode.startsWith('h') ? ' link to ' : mode.startsWith('l') ? ' -> ' : '\0');
  const path = name.replace(/^\.\//, '').replace(/\/$/, '');
  return { path, mode, owner, size, time, ...(target === undefined ? {} : { target }) };
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
