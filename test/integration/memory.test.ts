/** Streams, never whole files: what a build of large files takes in memory. */
import assert from 'node:assert/strict';
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  ftruncateSync,
  openSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { readLayout } from './layoutImage.ts';
import { workbench } from './workbench.ts';

const GIGABYTE = 1 << 30;
const LIMIT_KB = 300_000;

test(
  'COPY of a gigabyte that does not compress and of a gigabyte that is a hole stays below 300 MB of memory',
  { skip: existsSync('/usr/bin/time') ? false : 'needs GNU time' },
  async (t) => {
    const bench = workbench(t);
    const context = bench.files({ Dockerfile: 'FROM scratch\nCOPY noise /\nCOPY hole /\n' });
    await pipeline(createReadStream('/dev/urandom', { end: GIGABYTE - 1 }), createWriteStream(join(context, 'noise')));
    const hole = openSync(join(context, 'hole'), 'w');
    ftruncateSync(hole, GIGABYTE);
    writeSync(hole, 'end', GIGABYTE);
    closeSync(hole);
    const report = bench.path('time');
    const { layout } = await bench.build(context, { prefix: ['/usr/bin/time', '--format=%M', `--output=${report}`] });
    // One process with threads: the largest is all of it.
    const { stdout } = await bench.run(['cat', report]);
    const kilobytes = Number(stdout.trim());
    t.diagnostic(`peak memory ${Math.round(kilobytes / 1000)} MB`);
    assert.ok(kilobytes > 0 && kilobytes < LIMIT_KB, `${kilobytes} kB`);
    assert.deepEqual(readLayout(layout).layers(), [['noise'], ['hole']]);
  },
);
