import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { BuildError, redact } from '../../errors.ts';
import type { HttpClient } from '../../http/client.ts';
import type { Timestamp } from '../../tar/header.ts';

interface Downloaded {
  /** Where it lies until the build ends. */
  readonly path: string;
  /** What the URL calls the file. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Hexadecimal. */
  readonly sha256: string;
  /** The server's Last-Modified; 1970 without one, as BuildKit has it. */
  readonly mtime: Timestamp;
}

/** Fetches a URL, once in a build. `checksum` is `sha256:…`, verified before anything uses the file. */
export type Downloader = (url: string, checksum: string | undefined) => Promise<Downloaded>;

export interface DownloaderOptions {
  readonly http: () => Promise<HttpClient>;
  /** A path that does not exist yet. */
  readonly newPath: () => string;
  readonly signal: AbortSignal | undefined;
}

const UNNAMED = '__unnamed__';

/** @throws BuildError `ADD_FAILED`, `CHECKSUM_MISMATCH` */
export function createDownloader(options: DownloaderOptions): Downloader {
  const downloads = new Map<string, Promise<Downloaded>>();
  return async (url, checksum) => {
    let download = downloads.get(url);
    if (download === undefined) downloads.set(url, (download = fetchUrl(url, options)));
    const downloaded = await download;
    verify(url, `sha256:${downloaded.sha256}`, checksum);
    return downloaded;
  };
}

async function fetchUrl(url: string, { http, newPath, signal }: DownloaderOptions): Promise<Downloaded> {
  const client = await http();
  const response = await client.request({ method: 'GET', url, ...(signal === undefined ? {} : { signal }) });
  if (response.status !== 200) {
    await response.discard();
    throw new BuildError('ADD_FAILED', `invalid response status ${response.status} for ${redact(url)}`);
  }
  const path = newPath();
  const hash = createHash('sha256');
  let size = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of response.body) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  }
  await pipeline(counted(), createWriteStream(path, { flags: 'wx' }));
  const mtime = lastModified(response.headers['last-modified']);
  return { path, name: urlFileName(url), size, sha256: hash.digest('hex'), mtime };
}

function verify(url: string, actual: string, expected: string | undefined): void {
  if (expected === undefined || expected === actual) return;
  throw new BuildError('CHECKSUM_MISMATCH', `digest mismatch ${actual}: ${expected} was expected for ${redact(url)}`, {
    facts: { actual, expected },
    hint: 'The file is not the one the Dockerfile asks for: check the URL and --checksum.',
  });
}

/** What the file of a URL is called. */
export function urlFileName(url: string): string {
  const last = new URL(url).pathname.split('/').pop() ?? '';
  try {
    return decodeURIComponent(last) || UNNAMED;
  } catch {
    return last;
  }
}

function lastModified(header: string | undefined): Timestamp {
  const milliseconds = header === undefined ? Number.NaN : Date.parse(header);
  return { seconds: Number.isNaN(milliseconds) ? 0 : Math.floor(milliseconds / 1000), nanoseconds: 0 };
}
