import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CAPABILITIES, parseCapabilities, readCapabilities } from './capabilities.ts';
import { runNode } from './runNode.ts';

test('the sets of a process are read by name', () => {
  const sets = parseCapabilities(
    'Name:\tx\nCapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t0000010000000001\n',
  );
  assert.deepEqual([...sets.permitted].sort(), [
    'CAP_AUDIT_WRITE',
    'CAP_CHOWN',
    'CAP_DAC_OVERRIDE',
    'CAP_FOWNER',
    'CAP_FSETID',
    'CAP_KILL',
    'CAP_MKNOD',
    'CAP_NET_BIND_SERVICE',
    'CAP_NET_RAW',
    'CAP_SETFCAP',
    'CAP_SETGID',
    'CAP_SETPCAP',
    'CAP_SETUID',
    'CAP_SYS_CHROOT',
  ]);
  assert.deepEqual([...sets.effective], ['CAP_CHOWN', 'CAP_CHECKPOINT_RESTORE']);
  assert.equal(sets.bounding.size, 0);
  assert.equal(CAPABILITIES.length, 41);
});

test('a launcher hands on no capability but those it keeps', (t) => {
  const held = readCapabilities().effective;
  if (!held.has('CAP_SETPCAP') || !held.has('CAP_CHOWN') || !held.has('CAP_MKNOD')) {
    t.skip('needs root with CAP_SETPCAP');
    return;
  }
  const program = `
    const keep = new Set(['CAP_CHOWN', 'CAP_CHECKPOINT_RESTORE', 'CAP_MKNOD']);
    capabilities_.dropBoundingSet(keep);
    capabilities_.clearAmbientSet();
    capabilities_.setCapabilities({ effective: new Set(['CAP_CHOWN']), permitted: new Set(['CAP_CHOWN', 'CAP_MKNOD']), inheritable: new Set() });
    const here = capabilities_.readCapabilities();
    print(Object.fromEntries(Object.entries(here).map(([name, set]) => [name, [...set]])));`;
  const kept = ['CAP_CHOWN', 'CAP_MKNOD', 'CAP_CHECKPOINT_RESTORE'].filter((name) =>
    [...readCapabilities().bounding].includes(name as never),
  );
  assert.deepEqual(runNode(['capabilities'], program), {
    inheritable: [],
    permitted: ['CAP_CHOWN', 'CAP_MKNOD'],
    effective: ['CAP_CHOWN'],
    bounding: kept,
    ambient: [],
  });
});

test('what was never held cannot be taken', () => {
  const program = `
    capabilities_.setCapabilities({ effective: new Set(), permitted: new Set(), inheritable: new Set() });
    const all = new Set(capabilities_.CAPABILITIES);
    print([
      attempt(() => capabilities_.setCapabilities({ effective: all, permitted: all, inheritable: all })),
      attempt(() => capabilities_.dropBoundingSet(new Set())),
    ]);`;
  assert.deepEqual(runNode(['capabilities'], program), ['EPERM', 'EPERM']);
});
