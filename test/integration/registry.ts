import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';

export interface RegistryServer {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** Where it keeps its data. */
  readonly directory: string;
}

export interface RegistrySettings {
  /** Path of an htpasswd file with bcrypt hashes. */
  readonly htpasswd?: string;
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** Why `startRegistry` can't work here, for `t.skip`; undefined if it can. */
export const REGISTRY_MISSING: string | undefined = existsSync('/usr/bin/docker-registry')
  ? undefined
  : "needs Debian's docker-registry";

/** Starts Debian's docker-registry on a free loopback port; it ends with the test, and its data with it. */
export async function startRegistry(t: TestContext, settings: RegistrySettings = {}): Promise<RegistryServer> {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-registry-'));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } },
    http: {
      addr: host,
      secret: 'test',
      ...(settings.tls === undefined ? {} : { tls: { certificate: settings.tls.certificate, key: settings.tls.key } }),
    },
    ...(settings.htpasswd === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: settings.htpasswd } } }),
  };
  const file = join(directory, 'config.yml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config));
  const child = spawn('/usr/bin/docker-registry', ['serve', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (log += chunk));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended: ${log}`);
    if (await answers(port)) return { host, directory };
    await setTimeout(50);
  }
  throw new Error(`docker-registry does not answer: ${log}`);
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function answers(port: number): Promise<boolean> {
  const { connect } = await import('node:net');
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
