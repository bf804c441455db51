import { fromText } from '../byteString.ts';
import { hashKey, type CacheKey, type CopyStep, type KeyField, type RunStep } from '../cache/cacheKey.ts';
import { fingerprint, type FileAttributes, type Fingerprint } from '../cache/fingerprint.ts';
import { fileDigests, shortDigest } from '../cache/inputRecord.ts';
import { compilePatterns } from '../context/patternMatcher.ts';
import { BuildError } from '../errors.ts';
import type { Entry } from '../tree/entry.ts';
import { resolvePath } from '../tree/resolve.ts';
import type { Tree } from '../tree/tree.ts';
import { parseChmod } from './instructions/chmod.ts';
import { findSources } from './instructions/copySources.ts';
import { urlFileName } from './instructions/download.ts';
import type { BuildSession } from './session.ts';
import type { KeyedSource, OpenSource, StepCaching } from './stepCaching.ts';

/** What goes into a key of a step's sources. */
export interface SourcePrint {
  readonly field: KeyField;
  /** Names to short digests, for the record. */
  readonly files: Readonly<Record<string, string>>;
}

/** What steps read, by content. What is of the context is read once in a build. */
export class SourcePrints {
  readonly #session: BuildSession;
  readonly #caching: StepCaching;

  constructor(session: BuildSession, caching: StepCaching) {
    this.#session = session;
    this.#caching = caching;
  }

  /** One source of COPY or ADD. @throws BuildError as the step would */
  async copied(step: CopyStep, source: CopyStep['sources'][number], from: KeyedSource): Promise<SourcePrint> {
    switch (source.kind) {
      case 'inline':
        return {
          field: { inline: source.name, content: source.content },
          files: { [source.name]: shortDigest(source.content) },
        };
      case 'url': {
        // With a checksum nothing is downloaded to know what it is.
        const sha256 = step.checksum ?? `sha256:${(await this.#session.download(source.url, undefined)).sha256}`;
        return { field: { url: urlFileName(source.url), sha256 }, files: { [source.url]: shortDigest(sha256) } };
      }
      case 'path': {
        const { path } = source;
        const print = await this.#print(from, copiedKey(step, path), (tree) => this.#files(step, path, tree));
        const field = step.parents ? { files: print.digest, path } : { files: print.digest };
        return { field, files: fileDigests(print) };
      }
    }
  }

  /** What a RUN's bind mounts, and cache mounts that start from something, show: for each mount, in order. */
  async shown(step: RunStep, open: OpenSource): Promise<(Fingerprint | undefined)[]> {
    const prints: (Fingerprint | undefined)[] = [];
    for (const mount of step.mounts) {
      if ((mount.type !== 'bind' && mount.type !== 'cache') || mount.from === undefined) {
        prints.push(undefined);
        continue;
      }
      const { readBlob } = this.#session;
      const print = (tree: Tree): Promise<Fingerprint> => {
        const { node, path } = resolvePath(tree, fromText(mount.source));
        return fingerprint(tree, node === undefined ? [] : [{ node, name: '', path }], { readBlob });
      };
      prints.push(await this.#print(await open(mount.from), hashKey('shown', mount.source), print));
    }
    return prints;
  }

  /**
   * What stands for a URL's content as long as its server says that it is the same: a strong entity tag (RFC 9110, 8.8.3). Undefined where there
   * is none, and for what has a checksum, which is better.
   */
  tag(step: CopyStep, url: string): Promise<string | undefined> {
    if (step.checksum !== undefined) return Promise.resolve(undefined);
    const { tags } = this.#caching;
    let tag = tags.get(url);
    if (tag === undefined) tags.set(url, (tag = this.#askTag(url)));
    return tag;
  }

  async #askTag(url: string): Promise<string | undefined> {
    const { signal } = this.#session;
    try {
      const http = await this.#session.http();
      const response = await http.request({
        method: 'HEAD',
        url,
        retry: false,
        ...(signal === undefined ? {} : { signal }),
      });
      await response.discard();
      const { etag } = response.headers;
      return response.status === 200 && etag?.startsWith('"') === true ? etag : undefined;
    } catch (error) {
      signal?.throwIfAborted();
      // The download will say what is wrong, if anything is.
      if (error instanceof BuildError) return undefined;
      throw error;
    }
  }

  /** A fingerprint of files of a source; `what` tells it from others of the same source. */
  async #print(source: KeyedSource, what: CacheKey, print: (tree: Tree) => Promise<Fingerprint>): Promise<Fingerprint> {
    const { prints } = this.#caching;
    const known = source.isContext === true ? prints.get(what) : undefined;
    if (known !== undefined) return known;
    const tree = await source.tree();
    const made = this.#session.root.reading(() => print(tree));
    if (source.isContext === true) prints.set(what, made);
    return made;
  }

  async #files(step: CopyStep, path: string, tree: Tree): Promise<Fingerprint> {
    const matcher = step.exclude.length === 0 ? undefined : compilePatterns(step.exclude);
    const items = findSources(tree, path).map(({ node, name, path: found }) => {
      if (step.parents) return { node, name: found, path: found, withAncestors: true };
      // Of a directory the contents are copied, whatever it is called.
      return { node, name: tree.entry(node).type === 'directory' ? '' : name, path: found };
    });
    return fingerprint(tree, items, {
      readBlob: this.#session.readBlob,
      attributes: writtenAttributes(step),
      ...(matcher === undefined
        ? {}
        : {
            excludes: (inside, isDirectory) =>
              matcher.excludes(inside) && !(isDirectory && matcher.mayContainException(inside)),
          }),
    });
  }
}

/** All that a fingerprint of copied files depends on, but the files. */
function copiedKey({ parents, exclude, chmod, chown }: CopyStep, path: string): CacheKey {
  return hashKey('copied', { path, parents, exclude, chmod: chmod ?? null, chown: chown !== undefined });
}

/** What a copy makes of mode and owner: what it sets anew does not count. */
function writtenAttributes(step: CopyStep): (entry: Entry) => FileAttributes {
  const chmod = step.chmod === undefined ? undefined : parseChmod(step.chmod);
  return ({ mode, uid, gid, type }) => ({
    mode: chmod === undefined || type === 'symlink' ? mode : chmod(mode, type === 'directory'),
    ...(step.chown === undefined ? { uid, gid } : { uid: 0, gid: 0 }),
  });
}
