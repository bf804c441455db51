/** The first real use: a compiler installed by apt on Debian, a program built in one stage and run by runc from the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { debianBase } from '../bases/bases.ts';
import { readLayout } from './layoutImage.ts';
import { NO_RUNTIME, runImage } from './runImage.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { workbench } from './workbench.ts';

const PROGRAM = `
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) {
  printf("%s from uid %d\\n", argc > 1 ? argv[1] : "nothing", (int)getuid());
  return 3;
}
`;

test(
  'a program compiled with build-essential from apt runs as another user in the pushed image',
  { skip: NO_RUNTIME ?? NO_TEST_REGISTRY ?? false },
  async (t) => {
    const debian = layoutOf(t, await debianBase());
    if (debian === undefined) return;
    const registry = await testRegistry(t);
    const base = await registry.push(debian, 'debian:bookworm');
    const bench = workbench(t);
    const name = `${registry.host}/team/hello:1`;
    await bench.build(
      {
        Dockerfile: [
          `FROM ${base} AS build`,
          'RUN apt-get update && apt-get install -y --no-install-recommends build-essential',
          'COPY hello.c /src/',
          'WORKDIR /src',
          'RUN gcc -O2 -o hello hello.c',
          `FROM ${base}`,
          'RUN useradd --system --uid 1234 runner',
          'COPY --from=build /src/hello /usr/local/bin/',
          'USER runner',
          'ENTRYPOINT ["hello"]',
          'CMD ["greetings"]',
        ].join('\n'),
        'hello.c': PROGRAM,
      },
      { flags: [`--destination=${name}`] },
    );
    const pulled = bench.path('pulled');
    const copied = await bench.run([
      'skopeo',
      'copy',
      '--quiet',
      '--src-tls-verify=false',
      `docker://${name}`,
      `oci:${pulled}:latest`,
    ]);
    assert.equal(copied.exitCode, 0, copied.stderr);
    const { exitCode, stdout, stderr } = await runImage(bench, pulled);
    assert.equal(stdout, 'greetings from uid 1234\n', stderr);
    assert.equal(exitCode, 3);
    const layers = readLayout(pulled).layers();
    assert.deepEqual(layers.at(-1), ['usr', 'usr/local', 'usr/local/bin', 'usr/local/bin/hello']);
    assert.equal(layers.length, readLayout(debian).manifest.layers.length + 2, 'only what the last stage made');
  },
);
