import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFileLimit } from './process.ts';
import { runNode } from './runNode.ts';

test('a command started by a launcher ignores and blocks no signal', () => {
  const [, ignored] = signalsOfCommand('') as string[];
  assert.notEqual(BigInt(`0x${ignored}`), 0n, 'Node ignores SIGPIPE');
  assert.deepEqual(signalsOfCommand('process_.resetSignals();'), ['0000000000000000', '0000000000000000']);
});

/** The blocked and ignored signals of a program that Node executes in its own place. */
function signalsOfCommand(prepare: string): unknown {
  const awk = `/^Sig(Blk|Ign)/ { printf "%s\\\\"%s\\\\"", n++ ? "," : "[", $2 } END { print "]" }`;
  const command = `process.execve('/usr/bin/awk', ['awk', '${awk}', '/proc/self/status'], {});`;
  return runNode(['process'], `process.on('SIGINT', () => {}); ${prepare} ${command}`);
}

test('a subreaper gets orphans and can reap them', () => {
  const program = `
    const { spawnSync } = await import('node:child_process');
    process_.setChildSubreaper();
    const { stdout } = spawnSync('/bin/sh', ['-c', 'sleep 0.3 >/dev/null 2>&1 & echo $!'], { encoding: 'utf8' });
    const orphan = Number(stdout);
    const parent = /^PPid:\\s*(\\d+)/m.exec(fs.readFileSync('/proc/' + orphan + '/status', 'utf8'))[1];
    const before = process_.reapChild(orphan);
    while (!process_.reapChild(orphan)) await new Promise((resolve) => setTimeout(resolve, 10));
    print([Number(parent) === process.pid, before, attempt(() => process_.reapChild(orphan))]);`;
  assert.deepEqual(runNode(['process'], program), [true, false, 'ECHILD']);
});

test('the file limit can be lowered for what is started', () => {
  const { soft, hard } = readFileLimit();
  assert.ok(soft > 0 && hard >= soft);
  const program = `
    process_.setFileLimit({ soft: 100, hard: 200 });
    const { execFileSync } = await import('node:child_process');
    const shown = execFileSync('/bin/sh', ['-c', 'ulimit -Sn; ulimit -Hn'], { encoding: 'utf8' });
    print([process_.readFileLimit(), shown]);`;
  assert.deepEqual(runNode(['process'], program), [{ soft: 100, hard: 200 }, '100\n200\n']);
});

test('the host name is that of a uts namespace of its own', (t) => {
  const program = `
    const refused = attempt(() => process_.setHostname('kasane-build'));
    print([refused, fs.readFileSync('/proc/sys/kernel/hostname', 'utf8')]);`;
  let printed: (string | null)[];
  try {
    printed = runNode(['process'], program, ['unshare', '--uts']) as (string | null)[];
  } catch (error) {
    t.skip(`uts namespaces are refused here (${String(error)})`);
    return;
  }
  assert.deepEqual(printed, [null, 'kasane-build\n']);
});
