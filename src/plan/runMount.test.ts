import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildScope } from './buildScope.ts';
import { expandWord } from '../dockerfile/expandWord.ts';
import { parseDockerfile } from '../dockerfile/parseDockerfile.ts';
import { runMounts } from './runMount.ts';

const platform = { os: 'linux', architecture: 'amd64' };
const scope = buildScope(parseDockerfile('FROM x AS tools\nFROM y', { file: 'Dockerfile' }), {
  buildArgs: new Map(),
  buildPlatform: platform,
  targetPlatform: platform,
});
const context = {
  expand: (word: string): string => expandWord(word, (name) => (name === 'V' ? 'value' : undefined), { escape: '\\' }),
  scope,
  workingDirectory: '/w',
};

const bind = { type: 'bind', target: '/t', source: '/', from: { kind: 'context' }, readOnly: true };
const cache = {
  type: 'cache',
  target: '/t',
  id: '/t',
  sharing: 'shared',
  source: '/',
  mode: 0o755,
  uid: 0,
  gid: 0,
  readOnly: false,
};
const secret = { type: 'secret', id: 's', required: false, mode: 0o400, uid: 0, gid: 0 };
const ssh = { type: 'ssh', id: 'default', required: false, mode: 0o600, uid: 0, gid: 0 };

const mounts: readonly (readonly [value: string, mount: object])[] = [
  ['target=/t', bind],
  ['type=bind,dst=/t', bind],
  ['TYPE=BIND,destination=/t', bind],
  ['target=t', { ...bind, target: '/w/t' }],
  ['target=/t/../x/', { ...bind, target: '/x' }],
  ['target=', { ...bind, target: '/w' }],
  ['target=/t,source=a/b', { ...bind, source: '/a/b' }],
  ['target=/t,src=../a', { ...bind, source: '/a' }],
  ['target=/t,src=$V', { ...bind, source: '/value' }],
  ['target=/$V', { ...bind, target: '/value' }],
  ['target=/t,from=tools', { ...bind, from: { kind: 'stage', index: 0 } }],
  ['target=/t,from=TOOLS', { ...bind, from: { kind: 'stage', index: 0 } }],
  ['target=/t,from=1', { ...bind, from: { kind: 'stage', index: 1 } }],
  ['target=/t,from=img:1', { ...bind, from: { kind: 'image', reference: 'img:1' } }],
  ['target=/t,rw', { ...bind, readOnly: false }],
  ['target=/t,readwrite=true', { ...bind, readOnly: false }],
  ['target=/t,rw=false', bind],
  ['target=/t,ro', bind],
  ['target=/t,readonly=0', { ...bind, readOnly: false }],
  ['"target=/a,b"', { ...bind, target: '/a,b' }],
  ['"target=/a\\""b",ro', { ...bind, target: '/a"b' }],
  ['type=cache,target=/t', cache],
  ['type=cache,target=/t/', cache],
  ['type=cache,target=t', { ...cache, id: 't', target: '/w/t' }],
  ['type=cache,target=/t,id=$V,sharing=LOCKED', { ...cache, id: 'value', sharing: 'locked' }],
  ['type=cache,target=/t,uid=1,gid=2,mode=0700', { ...cache, uid: 1, gid: 2, mode: 0o700 }],
  ['type=cache,target=/t,from=tools,source=a', { ...cache, from: { kind: 'stage', index: 0 }, source: '/a' }],
  ['type=cache,target=/t,from=scratch,ro', { ...cache, readOnly: true }],
  ['type=tmpfs,target=/t', { type: 'tmpfs', target: '/t' }],
  ['type=tmpfs,target=/t,size=64m', { type: 'tmpfs', target: '/t', size: 64 * 1024 ** 2 }],
  ['type=tmpfs,target=/t,size=1.5k', { type: 'tmpfs', target: '/t', size: 1536 }],
  ['type=tmpfs,target=/t,size=1GiB', { type: 'tmpfs', target: '/t', size: 1024 ** 3 }],
  ['type=tmpfs,target=/t,size=12', { type: 'tmpfs', target: '/t', size: 12 }],
  ['type=secret,id=s', { ...secret, target: '/run/secrets/s' }],
  ['type=secret,id=a/s', { ...secret, id: 'a/s', target: '/run/secrets/s' }],
  ['type=secret,source=s', { ...secret, target: '/run/secrets/s' }],
  ['type=secret,target=/etc/s', { ...secret, target: '/etc/s' }],
  ['type=secret,id=s,target=x', { ...secret, target: '/w/x' }],
  ['type=secret,id=s,env=S', { ...secret, env: 'S' }],
  ['type=secret,id=s,env=S,target=/x', { ...secret, env: 'S', target: '/x' }],
  [
    'type=secret,id=s,required,mode=0440,uid=1,gid=2',
    {
      ...secret,
      target: '/run/secrets/s',
      required: true,
      mode: 0o440,
      uid: 1,
      gid: 2,
    },
  ],
  ['type=secret,id=s,required=false', { ...secret, target: '/run/secrets/s' }],
  ['type=ssh', { ...ssh, target: '/run/buildkit/ssh_agent.0' }],
  ['type=ssh,id=k,target=/a,required=true', { ...ssh, id: 'k', target: '/a', required: true }],
];

for (const [value, mount] of mounts) {
  test(`--mount=${value} is understood`, () => {
    assert.deepEqual(runMounts([value], context), [mount]);
  });
}

test('agents without a target have one each', () => {
  const targets = runMounts(['type=ssh', 'target=/t', 'type=ssh,id=b'], context).map(({ target }) => target);
  assert.deepEqual(targets, ['/run/buildkit/ssh_agent.0', '/t', '/run/buildkit/ssh_agent.1']);
});

const faults: readonly (readonly [value: string, message: string])[] = [
  ['tgt=/x', "unexpected key 'tgt' in 'tgt=/x' (did you mean target?)"],
  ['frobnicate=1', "unexpected key 'frobnicate' in 'frobnicate=1'"],
  ['type=bnd,target=/t', 'unsupported mount type "bnd" (did you mean bind?)'],
  ['target=/t,z', "invalid field 'z' must be a key=value pair"],
  ['target=/', 'invalid mount target "/"'],
  ['target=..', 'invalid mount target "/"'],
  ['target=/t,mode=0755', 'mode not allowed for "bind" type mounts'],
  ['type=tmpfs,target=/t,uid=1', 'uid not allowed for "tmpfs" type mounts'],
  ['target=/t,gid=1', 'gid not allowed for "bind" type mounts'],
  ['type=cache,target=/t,mode=9', 'invalid value 9 for mode'],
  ['type=cache,target=/t,uid=-1', 'invalid value -1 for uid'],
  ['type=cache,target=/t,gid=4294967296', 'invalid value 4294967296 for gid'],
  ['type=cache,target=/t,sharing=lock', 'unsupported sharing value "lock" (did you mean locked?)'],
  ['target=/t,sharing=shared', 'invalid cache sharing set for bind mount'],
  ['target=/t,ro=maybe', 'invalid value for ro: maybe'],
  ['target=/t,required', "unexpected key 'required' for mount type 'bind'"],
  ['required=true,type=secret,id=s', "unexpected key 'required' for mount type 'bind'"],
  ['target=/t,size=1', "unexpected key 'size' for mount type 'bind'"],
  ['type=tmpfs,target=/t,size=big', 'invalid value for size: big'],
  ['type=secret', 'invalid secret mount. one of source, target required'],
  ['type=secret,id=s,from=x', 'secret mount should not have a from'],
  ['type=secret,id=s,sharing=shared', 'secret mount should not define sharing'],
  ['type=secret,id=s,source=t', "both source and id can't be set"],
  ['type=ssh,source=x', 'ssh does not support source'],
  ['target=/t,env=X', 'env not allowed for "bind" type mounts'],
  ['target=/t,from=9', 'invalid stage index 9'],
  ['target="/t"', 'failed to parse csv mounts: parse error on line 1, column 8: bare " in non-quoted field'],
  [
    '"target=/t',
    'failed to parse csv mounts: parse error on line 1, column 11: extraneous or missing " in quoted-field',
  ],
  ['', 'failed to parse csv mounts: EOF'],
];

for (const [value, message] of faults) {
  test(`--mount=${value} says: ${message}`, () => {
    assert.throws(() => runMounts([value], context), { name: 'BuildError', message });
  });
}
