import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSecretName } from './secretName.ts';

for (const name of ['API_KEY', 'apikey', 'AUTH', 'GITHUB_TOKEN', 'secret_message', 'db_password_1', 'CREDENTIALS']) {
  test(`the value of ${name} is hidden`, () => {
    assert(isSecretName(name));
  });
}

for (const name of ['AUTHOR', 'KEYBOARD', 'TOKENS', 'PUBLIC_KEY', 'TOKEN_FILE', 'KEY_VERSION', 'MONKEY', '']) {
  test(`the value of ${JSON.stringify(name)} is shown`, () => {
    assert(!isSecretName(name));
  });
}
