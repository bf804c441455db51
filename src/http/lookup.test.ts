import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createLookup } from './lookup.ts';
import type { NameServer } from './lookup.ts';
import { parseHosts, parseResolvConf, searchNames } from './resolvConf.ts';

const RESOLV_CONF = `# a pod's
nameserver 10.96.0.10
nameserver not-an-address
search ns.svc.cluster.local svc.cluster.local cluster.local.
options ndots:5 edns0 timeout:2
`;
const HOSTS = '127.0.0.1 localhost\n::1 Both.test # comment\n192.0.2.7 both.test alias\nbad line\n';

/** A name server with a fixed zone; names that it does not answer for fail as a dead server does. */
function zone(records: Record<string, string[]>, dead: readonly string[] = []): NameServer & { asked: string[] } {
  const asked: string[] = [];
  const answer = async (name: string, six: boolean): Promise<string[]> => {
    if (!six) asked.push(name);
    if (dead.includes(name)) throw Object.assign(new Error('servfail'), { code: 'ESERVFAIL' });
    const found = (records[name] ?? []).filter((address) => address.includes(':') === six);
    if (found.length === 0) throw Object.assign(new Error('none'), { code: name in records ? 'ENODATA' : 'ENOTFOUND' });
    return found;
  };
  return { asked, resolve4: (name) => answer(name, false), resolve6: (name) => answer(name, true) };
}

function lookUp(name: string, nameServer: NameServer, family = 0): Promise<LookupAddress[]> {
  const lookup = createLookup({ hosts: parseHosts(HOSTS), resolvConf: parseResolvConf(RESOLV_CONF), nameServer });
  return promisify(lookup)(name, { all: true, family }) as unknown as Promise<LookupAddress[]>;
}

test('resolv.conf and hosts are read as glibc reads them', () => {
  assert.deepEqual(parseResolvConf(RESOLV_CONF), {
    servers: ['10.96.0.10'],
    search: ['ns.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
    ndots: 5,
    timeout: 2000,
    attempts: 2,
  });
  assert.deepEqual(parseResolvConf('').servers, ['127.0.0.1']);
  assert.deepEqual(parseHosts(HOSTS).get('both.test'), ['192.0.2.7', '::1']);
});

test('search domains are tried in the order that ndots asks for', () => {
  const search = ['a', 'b'];
  assert.deepEqual(searchNames('x', { search, ndots: 1 }), ['x.a', 'x.b', 'x']);
  assert.deepEqual(searchNames('x.y', { search, ndots: 1 }), ['x.y', 'x.y.a', 'x.y.b']);
  assert.deepEqual(searchNames('x.y', { search, ndots: 5 }), ['x.y.a', 'x.y.b', 'x.y']);
  assert.deepEqual(searchNames('x.y.', { search, ndots: 5 }), ['x.y']);
});

test('a service of the cluster is found by its short name', async () => {
  const server = zone({ 'registry.ns.svc.cluster.local': ['10.1.2.3', 'fd00::3'] });
  assert.deepEqual(await lookUp('registry', server), [
    { address: '10.1.2.3', family: 4 },
    { address: 'fd00::3', family: 6 },
  ]);
  assert.deepEqual(await lookUp('registry', server, 6), [{ address: 'fd00::3', family: 6 }]);
});

test('the hosts file and addresses need no server', async () => {
  const server = zone({});
  assert.deepEqual(await lookUp('BOTH.test', server, 4), [{ address: '192.0.2.7', family: 4 }]);
  assert.deepEqual(await lookUp('192.0.2.9', server), [{ address: '192.0.2.9', family: 4 }]);
  assert.deepEqual((await lookUp('x.localhost', server))[0], { address: '127.0.0.1', family: 4 });
  assert.deepEqual(server.asked, []);
});

test('a name that does not exist and a server that does not answer are told apart', async () => {
  await assert.rejects(lookUp('nope.test', zone({})), { code: 'ENOTFOUND' });
  await assert.rejects(lookUp('nope.test', zone({}, ['nope.test.cluster.local'])), { code: 'EAI_AGAIN' });
  assert.equal(
    (await lookUp('up.test', zone({ 'up.test': ['192.0.2.1'] }, ['up.test.cluster.local'])))[0]?.address,
    '192.0.2.1',
  );
});
