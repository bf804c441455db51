import { BuildError } from '../errors.ts';

/** What a redirect may change of a request. Header names are lower case. */
export interface Redirectable {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

export const MAX_REDIRECTS = 10;

const SECRET_HEADERS: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization']);
const BODY_HEADERS: ReadonlySet<string> = new Set(['content-length', 'content-type', 'transfer-encoding']);

/**
 * The request that a response asks for instead, or undefined if it is no redirect. Credentials never reach another
 * origin, and once dropped stay dropped. A 303, and a 301 or 302 to a POST, become a GET without a body.
 * @throws BuildError `REDIRECT_INVALID`, or `REDIRECT_INSECURE` for a step from https to http that is not allowed
 */
export function followRedirect<T extends Redirectable>(
  request: T,
  status: number,
  location: string | undefined,
  allowInsecure: boolean,
): (T & { readonly keepsBody: boolean; readonly sameOrigin: boolean }) | undefined {
  if (![301, 302, 303, 307, 308].includes(status) || location === undefined) return undefined;
  const url = resolve(request.url, location);
  if (request.url.protocol === 'https:' && url.protocol === 'http:' && !allowInsecure) {
    throw new BuildError(
      'REDIRECT_INSECURE',
      `${request.url.host} redirects to plain HTTP at ${url.host}, which is refused`,
      {
        hint: `Allow it with --insecure-registry=${request.url.host} if that is what you want.`,
      },
    );
  }
  const becomesGet =
    (status === 303 && request.method !== 'HEAD') || ((status === 301 || status === 302) && request.method === 'POST');
  const sameOrigin = url.origin === request.url.origin;
  const headers = Object.entries(request.headers).filter(
    ([name]) =>
      name !== 'host' && (sameOrigin || !SECRET_HEADERS.has(name)) && (!becomesGet || !BODY_HEADERS.has(name)),
  );
  return {
    ...request,
    method: becomesGet ? 'GET' : request.method,
    url,
    headers: Object.fromEntries(headers),
    keepsBody: !becomesGet,
    sameOrigin,
  };
}

function resolve(base: URL, location: string): URL {
  const url = URL.parse(location, base.href);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new BuildError('REDIRECT_INVALID', `${base.host} redirects to an address that is not valid`);
  }
  // A password in a redirect would be sent as credentials that nobody gave us.
  url.username = '';
  url.password = '';
  return url;
}
