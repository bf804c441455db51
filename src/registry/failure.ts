import { BuildError } from '../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import { isTemporaryStatus } from '../http/retry.ts';

/** What was attempted, for the sentence "Can't <action>: …". */
export interface Attempt {
  readonly action: string;
  /** Where credentials came from, or where none were found. */
  readonly credentialSource?: string;
  readonly authenticated?: boolean;
}

interface Diagnostic {
  readonly code: string;
  readonly message: string;
}

/** Registries do not tell a stranger which of the two it is. */
const NO_ACCESS = 'the repository does not exist, or it needs credentials';
const BODY_LIMIT = 64 * 1024;

/**
 * The error for a response that a registry or its token server should not have given. Reads the body.
 * Codes: `REGISTRY_UNAUTHORIZED`, `REGISTRY_DENIED`, `REGISTRY_NOT_FOUND`, `REGISTRY_RATE_LIMITED`, `REGISTRY_FAILED`.
 */
export async function registryFailure(response: HttpResponse, attempt: Attempt): Promise<BuildError> {
  const diagnostics = await readDiagnostics(response);
  const codes = diagnostics.map(({ code }) => code.toUpperCase());
  const { code, sentence } = classify(response.status, codes, attempt);
  const said = diagnostics.map(({ message }) => message).find((message) => message !== '');
  const hint = hintFor(code, attempt);
  return new BuildError(code, `Can't ${attempt.action}: ${sentence}${said === undefined ? '' : ` (${said})`}`, {
    ...(hint === undefined ? {} : { hint }),
    facts: {
      status: response.status,
      // A query may hold signatures.
      url: `${response.url.origin}${response.url.pathname}`,
      temporary: isTemporaryStatus(response.status),
      ...(codes[0] === undefined ? {} : { registryCode: codes[0] }),
    },
  });
}

function classify(status: number, codes: readonly string[], attempt: Attempt): { code: string; sentence: string } {
  if (status === 429 || codes.includes('TOOMANYREQUESTS')) {
    return { code: 'REGISTRY_RATE_LIMITED', sentence: 'the registry has had too many requests from here' };
  }
  if (status === 401) {
    return {
      code: 'REGISTRY_UNAUTHORIZED',
      sentence: attempt.authenticated === true ? 'the registry refused the credentials' : NO_ACCESS,
    };
  }
  if (status === 403 || codes.includes('DENIED')) {
    return {
      code: 'REGISTRY_DENIED',
      sentence:
        attempt.authenticated === true
          ? 'the repository does not exist, or these credentials do not permit it'
          : NO_ACCESS,
    };
  }
  if (status === 404) {
    return {
      code: 'REGISTRY_NOT_FOUND',
      sentence: codes.includes('NAME_UNKNOWN')
        ? 'the registry knows no such repository'
        : codes.includes('MANIFEST_UNKNOWN')
          ? 'the repository has no such tag or digest'
          : 'the registry does not have it',
    };
  }
  return { code: 'REGISTRY_FAILED', sentence: `the registry answered with status ${status}` };
}

function hintFor(code: string, { credentialSource }: Attempt): string | undefined {
  if (code === 'REGISTRY_RATE_LIMITED') {
    return 'Log in for a higher limit, use a mirror, or try again later.';
  }
  if (credentialSource === undefined) return undefined;
  return ['REGISTRY_UNAUTHORIZED', 'REGISTRY_DENIED', 'REGISTRY_NOT_FOUND'].includes(code)
    ? `Credentials: ${credentialSource}.`
    : undefined;
}

/** `{"errors":[{code,message}]}` of the distribution specification; token servers also say `details` or `message`. */
async function readDiagnostics(response: HttpResponse): Promise<Diagnostic[]> {
  let body: unknown;
  try {
    body = JSON.parse((await response.bytes(BODY_LIMIT)).toString('utf8'));
  } catch {
    // The status says enough.
    return [];
  }
  if (typeof body !== 'object' || body === null) return [];
  const { errors } = body as { errors?: unknown };
  return (Array.isArray(errors) ? (errors as unknown[]) : [body]).slice(0, 5).map(toDiagnostic);
}

function toDiagnostic(value: unknown): Diagnostic {
  const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const text = (...names: string[]): string => {
    const found = names.map((name) => fields[name]).find((field) => typeof field === 'string');
    // A registry must not steer the terminal.
    return typeof found === 'string'
      ? found
          .replace(/\p{Cc}+/gu, ' ')
          .trim()
          .slice(0, 300)
      : '';
  };
  return { code: text('code'), message: text('message', 'details', 'error_description', 'error') };
}
