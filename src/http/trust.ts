import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError, hasErrno, messageOf } from '../errors.ts';
import type { Environment } from './proxy.ts';

/** How a TLS server is believed, and what it is shown. */
export interface TlsPolicy {
  /** False: any certificate is taken. Default: true. */
  readonly verify?: boolean;
  /** Path of a PEM file trusted beside the usual roots. */
  readonly certificate?: string;
  /** Paths of a PEM certificate and its key, shown to a server that asks. Never to another origin. */
  readonly client?: { readonly certificate: string; readonly key: string };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * The content of SSL_CERT_FILE and of every file in the directories of SSL_CERT_DIR (colon-separated); what is missing is
 * passed over, as Go does. Read when the client is made: later, in an in-place build, an image's files may lie there.
 */
export function readRootFiles(environment: Environment): string[] {
  const files = (environment['SSL_CERT_DIR'] ?? '')
    .split(':')
    .filter((directory) => directory !== '')
    .flatMap(listFiles);
  const file = environment['SSL_CERT_FILE'];
  if (file !== undefined && file !== '') files.unshift(file);
  return files.flatMap((path) => readPem(path) ?? []);
}

/** The certificates in these texts, each once; what is no certificate is passed over. */
export function parseRoots(texts: readonly string[]): string[] {
  return [...new Set(texts.flatMap((text) => text.match(CERTIFICATE) ?? []))].filter(isCertificate);
}

/** The certificates of a file that the user named. @throws BuildError `CERTIFICATE_INVALID` */
export function readCertificates(path: string): string[] {
  let pem: string;
  try {
    pem = readFileSync(path, 'latin1');
  } catch (cause) {
    throw new BuildError('CERTIFICATE_INVALID', `Can't read the certificate ${path}: ${messageOf(cause)}`, { cause });
  }
  const certificates = pem.match(CERTIFICATE) ?? [];
  if (certificates.length === 0 || !certificates.every(isCertificate)) {
    throw new BuildError('CERTIFICATE_INVALID', `${path} holds no valid PEM certificate`);
  }
  return certificates;
}

/** The PEM text of a client certificate or its key. @throws BuildError `CERTIFICATE_INVALID` */
export function readClientPem(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (cause) {
    throw new BuildError(
      'CERTIFICATE_INVALID',
      `Can't read the client certificate or key ${path}: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
}

function listFiles(directory: string): string[] {
  try {
    return readdirSync(directory)
      .sort()
      .map((name) => join(directory, name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
    throw error;
  }
}

function readPem(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EISDIR', 'EACCES', 'ELOOP')) return undefined;
    throw error;
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}
