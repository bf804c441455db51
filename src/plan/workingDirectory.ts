import { posix } from 'node:path';

/** What WORKDIR makes of the directory before it, as the configuration keeps it: an absolute path stays as written. */
export function joinWorkdir(current: string, path: string): string {
  if (path.startsWith('/')) return path;
  const joined = posix.join('/', current, path);
  return joined.length > 1 ? joined.replace(/\/$/, '') : joined;
}

/** An absolute path in normal form, without a trailing slash. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(`/${path}`).replace(/^\/+/, '/');
  return clean.length > 1 ? clean.replace(/\/$/, '') : clean;
}

/** The destination of COPY: absolute; a trailing slash or `.` asks for a directory and is kept as a slash. */
export function joinDestination(current: string, path: string): string {
  const joined = cleanPath(path.startsWith('/') ? path : posix.join('/', current, path));
  const directory = path === '' || path === '.' || path.endsWith('/') || path.endsWith('/.');
  return directory && joined !== '/' ? `${joined}/` : joined;
}
