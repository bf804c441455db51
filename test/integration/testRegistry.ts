import { execFile } from 'node:child_process';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { Base } from '../bases/bases.ts';
import { hasProgram } from '../bases/program.ts';
import { REGISTRY_MISSING, startRegistry } from './registry.ts';

/** A registry that base images are put into. */
export interface TestRegistry {
  readonly host: string;
  /** Copies a layout's image there with skopeo; gives its reference. */
  push(layout: string, name: string): Promise<string>;
}

/** Why a test can't have `testRegistry`; undefined if it can. */
export const NO_TEST_REGISTRY = REGISTRY_MISSING ?? (hasProgram('skopeo') ? undefined : 'needs skopeo');

/** A docker-registry on loopback that ends with the test. */
export async function testRegistry(t: TestContext): Promise<TestRegistry> {
  const { host } = await startRegistry(t);
  return {
    host,
    async push(layout, name) {
      const reference = `${host}/${name}`;
      await promisify(execFile)('skopeo', [
        'copy',
        '--quiet',
        '--dest-tls-verify=false',
        `oci:${layout}:latest`,
        `docker://${reference}`,
      ]);
      return reference;
    },
  };
}

/** The base's layout, or skips the test aloud. */
export function layoutOf(t: TestContext, base: Base): string | undefined {
  if (base.layout === undefined) t.skip(base.skip);
  return base.layout;
}
