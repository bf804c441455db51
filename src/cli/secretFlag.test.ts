import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSecrets } from './secretFlag.ts';
import { parseSshAgents } from './sshFlag.ts';

const environment = { TOKEN: 't', SSH_AUTH_SOCK: '/run/agent' };
const absolute = (path: string): string => (path.startsWith('/') ? path : `/work/${path}`);
const parse = (...values: string[]): unknown => parseSecrets(values, environment, absolute);

test('a secret comes from where its flag says, or where its name points', () => {
  const rows: [string, unknown][] = [
    ['id=a,src=f', { id: 'a', kind: 'file', path: '/work/f' }],
    ['id=a,source=/f', { id: 'a', kind: 'file', path: '/f' }],
    ['id=a,env=TOKEN', { id: 'a', kind: 'env', variable: 'TOKEN' }],
    ['id=a,type=env,src=TOKEN', { id: 'a', kind: 'env', variable: 'TOKEN' }],
    ['type=file,id=TOKEN', { id: 'TOKEN', kind: 'file', path: '/work/TOKEN' }],
    ['id=TOKEN', { id: 'TOKEN', kind: 'env', variable: 'TOKEN' }],
    ['id=other', { id: 'other', kind: 'file', path: '/work/other' }],
  ];
  for (const [value, expected] of rows) assert.deepEqual(parse(value), [expected], value);
});

test('a secret flag that says too little or too much is refused in kaniko’s words', () => {
  const rows: [string[], RegExp][] = [
    [['src=f'], /^secret requires id=ID$/],
    [['id=a,src=f,env=TOKEN'], /^only one of src or env may be specified$/],
    [['id=a,type=file,env=TOKEN'], /type=file/],
    [['id=a,type=x'], /unsupported secret type x/],
    [['id=a,env=NOPE'], /NOPE is not set/],
    [['id=a,colour=red'], /colour/],
    [['id=a,src=f', 'id=a,src=g'], /duplicate secret id a/],
  ];
  for (const [values, message] of rows) assert.throws(() => parse(...values), { code: 'FLAG_INVALID', message });
});

test('an ssh agent is the user’s own or the one that is named', () => {
  assert.deepEqual(agents(['default', 'git=sock']), [
    { id: 'default', socket: '/run/agent' },
    { id: 'git', socket: '/work/sock' },
  ]);
  assert.throws(() => agents(['default'], {}), { code: 'FLAG_INVALID' });
  assert.throws(() => agents(['=x']), { code: 'FLAG_INVALID' });
});

function agents(values: string[], env: Record<string, string> = environment): unknown {
  return parseSshAgents(values, env, absolute);
}
