import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimes } from './times.ts';

test('times are kept to the nanosecond, before 1970 and after 2038, and on a symlink itself', (t) => {
  const directory = fs.mkdtempSync(join(tmpdir(), 'kasane-times-'));
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const [file, link] = [join(directory, 'é'), join(directory, 'link')];
  fs.writeFileSync(file, '');
  fs.symlinkSync(file, link);
  const cases = [
    { seconds: 0, nanoseconds: 1 },
    { seconds: 1_700_000_000, nanoseconds: 123_654_321 },
    { seconds: -1, nanoseconds: 999_999_999 },
    { seconds: -1_000_000, nanoseconds: 0 },
    { seconds: 2 ** 32 + 7, nanoseconds: 5 },
  ];
  for (const time of cases) {
    const expected = BigInt(time.seconds) * 10n ** 9n + BigInt(time.nanoseconds);
    setTimes(file, time);
    setTimes(Buffer.from(link), { seconds: time.seconds, nanoseconds: 77 });
    const stat = fs.lstatSync(file, { bigint: true });
    assert.deepEqual([stat.mtimeNs, stat.atimeNs], [expected, expected]);
    assert.equal(fs.lstatSync(link, { bigint: true }).mtimeNs, BigInt(time.seconds) * 10n ** 9n + 77n);
  }
  assert.throws(() => setTimes(join(directory, 'none'), { seconds: 0, nanoseconds: 0 }), {
    code: 'ENOENT',
    syscall: 'utimensat',
  });
});
