import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { runProgram } from '../bases/program.ts';
import { freePort } from '../integration/registry.ts';

const REPOSITORIES = 'docker/registry/v2/repositories';
const BLOBS = 'docker/registry/v2/blobs/sha256';

/** What was pushed. Bytes. */
export interface PushedImage {
  readonly layers: number;
  /** As in the registry: compressed. */
  readonly size: number;
  /** Of layers that the base does not have. */
  readonly ownSize: number;
}

/** A docker-registry on loopback that holds base images, and what a run pushed until the next `reset`. */
export class BenchRegistry {
  readonly host: string;
  readonly #directory: string;
  readonly #baseBlobs = new Set<string>();
  #stop: (() => Promise<void>) | undefined;

  private constructor(host: string, directory: string) {
    this.host = host;
    this.#directory = directory;
  }

  static async open(directory: string): Promise<BenchRegistry> {
    mkdirSync(directory, { recursive: true });
    return new BenchRegistry(`127.0.0.1:${await freePort()}`, directory);
  }

  /** Copies the image of a layout there, as `base/NAME`; gives its reference. */
  async pushBase(layout: string, name: string): Promise<string> {
    await this.#start();
    const reference = `${this.host}/base/${name}:latest`;
    runProgram('skopeo', ['copy', '-q', '--dest-tls-verify=false', `oci:${layout}:latest`, `docker://${reference}`]);
    for (const blob of this.#blobs()) this.#baseBlobs.add(blob);
    return reference;
  }

  /** Forgets everything but the bases, and starts anew. */
  async reset(): Promise<void> {
    await this[Symbol.asyncDispose]();
    const repositories = join(this.#directory, REPOSITORIES);
    for (const name of readdirSync(repositories)) {
      if (name !== 'base') rmSync(join(repositories, name), { recursive: true });
    }
    for (const blob of this.#blobs()) {
      if (!this.#baseBlobs.has(blob)) rmSync(join(this.#directory, BLOBS, blob.slice(0, 2), blob), { recursive: true });
    }
    await this.#start();
  }

  /** What another tool sees of an image that was pushed. @throws Error if there is none */
  inspect(reference: string): PushedImage {
    const inspect = (more: readonly string[]): unknown =>
      JSON.parse(runProgram('skopeo', ['inspect', '--tls-verify=false', ...more, `docker://${reference}`]));
    const { layers } = inspect(['--raw']) as { layers: { digest: string; size: number }[] };
    const { Layers } = inspect([]) as { Layers: string[] };
    for (const [index, { digest }] of layers.entries()) {
      if (Layers[index] !== digest || !this.#has(digest)) throw new Error(`${reference} lacks its layer ${digest}`);
    }
    const own = layers.filter(({ digest }) => !this.#baseBlobs.has(digest.slice('sha256:'.length)));
    const sum = (list: typeof layers): number => list.reduce((total, { size }) => total + size, 0);
    return { layers: layers.length, size: sum(layers), ownSize: sum(own) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop?.();
    this.#stop = undefined;
  }

  async #start(): Promise<void> {
    if (this.#stop !== undefined) return;
    const file = join(this.#directory, 'config.json');
    writeFileSync(
      file,
      JSON.stringify({
        version: '0.1',
        log: { level: 'error', accesslog: { disabled: true } },
        storage: { filesystem: { rootdirectory: this.#directory }, delete: { enabled: true } },
        http: { addr: this.host, secret: 'bench' },
      }),
    );
    const child = spawn('/usr/bin/docker-registry', ['serve', file], { stdio: 'ignore' });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    this.#stop = () => {
      child.kill('SIGKILL');
      return ended;
    };
    for (let tries = 0; tries < 200; tries++) {
      if (await answers(this.host)) return;
      if (child.exitCode !== null) break;
      await setTimeout(25);
    }
    throw new Error('docker-registry does not answer');
  }

  #has(digest: string): boolean {
    const name = digest.slice('sha256:'.length);
    return existsSync(join(this.#directory, BLOBS, name.slice(0, 2), name, 'data'));
  }

  #blobs(): string[] {
    const directory = join(this.#directory, BLOBS);
    if (!existsSync(directory)) return [];
    return readdirSync(directory).flatMap((prefix) => readdirSync(join(directory, prefix)));
  }
}

async function answers(host: string): Promise<boolean> {
  try {
    return (await fetch(`http://${host}/v2/`)).ok;
  } catch {
    return false;
  }
}
