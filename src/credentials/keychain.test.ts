import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { parseConfigFile } from './configFile.ts';
import { parseAnswer } from './helper.ts';
import { createDockerKeychain } from './keychain.ts';
import type { FoundCredential } from './keychain.ts';
import { credentialKeys, normaliseKey, serverAddress } from './registryKey.ts';

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'kasane-credentials-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function write(path: string, content: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
}

function login(user: string): { auth: string } {
  return { auth: Buffer.from(`${user}:pass:word`).toString('base64') };
}

function userOf({ credential }: FoundCredential): string {
  return credential.kind === 'basic' ? `${credential.username}/${credential.password}` : credential.kind;
}

test('the first place that knows the registry wins', async (t) => {
  const home = temporary(t);
  const environment: Record<string, string> = {
    HOME: home,
    DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { 'one.test': login('inline') } }),
    DOCKER_CONFIG: join(home, 'docker'),
    REGISTRY_AUTH_FILE: join(home, 'file.json'),
    XDG_RUNTIME_DIR: join(home, 'run'),
    XDG_CONFIG_HOME: join(home, 'config'),
  };
  const places = [
    ['docker/config.json', 'two.test'],
    ['.docker/config.json', 'three.test'],
    ['file.json', 'four.test'],
    ['run/containers/auth.json', 'five.test'],
    ['config/containers/auth.json', 'six.test'],
  ] as const;
  const seen: Record<string, unknown> = { 'one.test': login('late') };
  for (const [path, registry] of places) {
    seen[registry] = login(path);
    write(join(home, path), {
      auths: {
        ...Object.fromEntries(Object.entries(seen).filter(([key]) => key === registry)),
        'one.test': login('late'),
      },
    });
  }
  const keychain = createDockerKeychain({ environment });
  assert.equal(userOf(await keychain.lookup('one.test', 'x')), 'inline/pass:word');
  for (const [path, registry] of places) {
    const found = await keychain.lookup(registry, 'x');
    assert.equal(userOf(found), `${path}/pass:word`);
    assert.equal(found.source, `${registry} in ${join(home, path)}`);
  }
  const nothing = await keychain.lookup('seven.test', 'x');
  assert.equal(nothing.credential.kind, 'anonymous');
  assert.match(nothing.source, /docker\/config\.json/);
});

test('Docker Hub is found however its key was written', async () => {
  for (const key of [
    'https://index.docker.io/v1/',
    'docker.io',
    'index.docker.io',
    'https://index.docker.io/v2/',
    'registry-1.docker.io',
    'https://docker.io',
  ]) {
    const environment = { HOME: '/nonexistent', DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [key]: login('me') } }) };
    const found = await createDockerKeychain({ environment }).lookup('index.docker.io', 'library/alpine');
    assert.equal(userOf(found), 'me/pass:word', key);
  }
});

test('a key with a path counts for that path alone, and the longest wins', async () => {
  const auths = {
    'r.test': login('host'),
    'https://r.test/team/': login('team'),
    'r.test/team/app': login('app'),
    'r.test:5000': login('port'),
  };
  const keychain = createDockerKeychain({
    environment: { HOME: '/nonexistent', DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) },
  });
  const cases: [registry: string, repository: string, user: string][] = [
    ['r.test', 'other', 'host'],
    ['r.test', 'team/x', 'team'],
    ['r.test', 'team/app', 'app'],
    ['r.test', 'team/app/sub', 'app'],
    ['r.test', 'teamwork', 'host'],
    ['r.test:5000', 'team/app', 'port'],
    ['evil-r.test', 'team/app', 'anonymous'],
    ['r.test.evil.test', 'team/app', 'anonymous'],
  ];
  for (const [registry, repository, user] of cases) {
    assert.equal(userOf(await keychain.lookup(registry, repository)).split('/')[0], user, `${registry}/${repository}`);
  }
});

test('keys are compared without scheme and Docker’s version path', () => {
  assert.equal(normaliseKey('https://R.test/v2/'), 'r.test');
  assert.equal(normaliseKey('http://r.test:5000'), 'r.test:5000');
  assert.deepEqual(credentialKeys('docker.io', 'a/b'), ['index.docker.io/a/b', 'index.docker.io/a', 'index.docker.io']);
  assert.equal(serverAddress('docker.io'), 'https://index.docker.io/v1/');
  assert.equal(serverAddress('ghcr.io'), 'ghcr.io');
});

test('every kind of entry is understood, empty ones are passed over', () => {
  const { credentials } = parseConfigFile(
    'f',
    JSON.stringify({
      auths: {
        a: { username: 'u', password: 'p' },
        b: { identitytoken: 'i', auth: login('x').auth },
        c: { registrytoken: 'r' },
        d: {},
        e: null,
        f: { auth: '' },
      },
    }),
  );
  assert.deepEqual(Object.fromEntries(credentials), {
    a: { kind: 'basic', username: 'u', password: 'p' },
    b: { kind: 'identity-token', token: 'i' },
    c: { kind: 'registry-token', token: 'r' },
  });
});

test('a file that can’t be understood is an error without a word of its content', async (t) => {
  const home = temporary(t);
  const cases = [
    '{"auths": {"r.test": {"auth": "c2VjcmV0" ',
    '{"auths": {"r.test": {"auth": "c2VjcmV0"}}}',
    '{"auths": ["secret"]}',
    '[]',
  ];
  for (const content of cases) {
    write(join(home, '.docker/config.json'), content);
    await assert.rejects(
      createDockerKeychain({ environment: { HOME: home } }).lookup('r.test', 'x'),
      (error: Error) => {
        assert.equal((error as Error & { code: string }).code, 'CREDENTIALS_INVALID');
        assert.match(error.message, /config\.json/);
        assert.doesNotMatch(error.message, /secret|c2Vj/);
        return true;
      },
    );
  }
});

test('what an image puts in the place of the credentials while it is built is not believed', async (t) => {
  const home = temporary(t);
  write(join(home, '.docker/config.json'), { auths: { 'r.test': login('mine') } });
  const keychain = createDockerKeychain({ environment: { HOME: home } });
  write(join(home, '.docker/config.json'), { credsStore: 'evil' });
  assert.equal(userOf(await keychain.lookup('r.test', 'x')), 'mine/pass:word');
});

test('credential helpers are asked, per registry before the store; one that fails is told about', async (t) => {
  const home = temporary(t);
  const helper = (name: string, script: string): void => {
    write(join(home, 'bin', `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
    chmodSync(join(home, 'bin', `docker-credential-${name}`), 0o755);
  };
  helper('echo', 'read server; printf \'{"ServerURL":"x","Username":"%s","Secret":"s"}\' "$1 $server"');
  helper('token', 'cat >/dev/null; echo \'{"Username":"<token>","Secret":"t"}\'');
  helper('empty', 'cat >/dev/null; echo "credentials not found in native keychain"; exit 1');
  helper('broken', 'echo "no AWS credentials"; exit 1');
  const environment = { HOME: home, PATH: `${join(home, 'bin')}:/usr/bin:/bin` };
  const ask = (config: object, registry: string): Promise<FoundCredential> => {
    write(join(home, '.docker/config.json'), config);
    return createDockerKeychain({ environment }).lookup(registry, 'a/b');
  };
  const helpers = { credHelpers: { 'r.test': 'echo', 'https://other.test': 'broken' }, credsStore: 'token' };
  assert.equal(userOf(await ask(helpers, 'r.test')), 'get r.test/s');
  assert.equal(userOf(await ask({ credsStore: 'echo' }, 'index.docker.io')), 'get https://index.docker.io/v1//s');
  assert.equal(userOf(await ask(helpers, 'third.test')), 'identity-token');
  assert.equal(
    userOf(await ask({ credsStore: 'empty', auths: { 'r.test': login('file') } }, 'r.test')),
    'file/pass:word',
  );
  const failed = await ask(helpers, 'other.test');
  assert.equal(failed.credential.kind, 'anonymous');
  assert.match(failed.source, /docker-credential-broken.*no AWS credentials/);
  assert.match((await ask({ credsStore: 'desktop' }, 'r.test')).source, /docker-credential-desktop is not in PATH/);
  assert.match((await ask({ credsStore: '../evil' }, 'r.test')).source, /its name is not valid/);
});

test('a helper that answers nonsense has failed', () => {
  for (const answer of ['', 'x', '[]', '{}', 'null', '{"Username":1,"Secret":"s"}']) {
    assert.equal(parseAnswer(answer).kind, 'failed', answer);
  }
  assert.equal(parseAnswer('{"Username":"","Secret":""}').kind, 'nothing');
});
