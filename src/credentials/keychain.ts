// Keychains: where registry credentials come from. Docker's configuration files and credential helpers.
import { readCredentialFiles } from './configFile.ts';
import type { ConfigFile } from './configFile.ts';
import type { Credential } from './credential.ts';
import { runCredentialHelper } from './helper.ts';
import type { HelperRunner } from './helper.ts';
import { credentialKeys, normaliseKey, serverAddress } from './registryKey.ts';

export interface FoundCredential {
  readonly credential: Credential;
  /** For messages: file and key, or helper, it came from; for anonymous, where nothing was found. */
  readonly source: string;
}

export interface Keychain {
  /**
   * The credential for a repository (`library/alpine`) of a registry (`host[:port]`); anonymous if there is none.
   * @throws BuildError `CREDENTIALS_INVALID` for a file that can't be understood
   */
  lookup(registry: string, repository: string): Promise<FoundCredential>;
}

export interface DockerKeychainOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Default: runs `docker-credential-<name>` from the environment's PATH. */
  readonly runHelper?: HelperRunner;
}

/**
 * Docker's configuration in all its places; the first that knows the repository wins: $DOCKER_AUTH_CONFIG,
 * $DOCKER_CONFIG/config.json, $HOME/.docker/config.json, $REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR/containers/auth.json,
 * $XDG_CONFIG_HOME/containers/auth.json. In a file: credential helpers of the registry, then its store, then `auths`, each by
 * repository path from the longest to the host. The files are read once, now: later, in an in-place build, an image's files may
 * lie in their places. A fault in them is thrown by `lookup`, so that a build without a registry does not meet it.
 */
export function createDockerKeychain({
  environment,
  runHelper = runCredentialHelper,
}: DockerKeychainOptions): Keychain {
  const read = attempt(() => {
    const remarks: string[] = [];
    return { files: readCredentialFiles(environment, remarks), remarks };
  });
  return {
    async lookup(registry, repository) {
      const { files, remarks } = read();
      const notes = [...remarks];
      for (const file of files) {
        const found = await lookUpInFile(file, registry, repository, notes, async (helper) =>
          runHelper(helper, serverAddress(registry), environment),
        );
        if (found !== undefined) return found;
      }
      const where =
        files.length === 0
          ? 'no docker configuration file was found'
          : `nothing for it in ${files.map((file) => file.path).join(', ')}`;
      return { credential: { kind: 'anonymous' }, source: [where, ...notes].join('; ') };
    },
  };
}

/** Does it now; what came of it is returned or thrown by the result. */
function attempt<T>(action: () => T): () => T {
  try {
    const value = action();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

async function lookUpInFile(
  file: ConfigFile,
  registry: string,
  repository: string,
  notes: string[],
  ask: (helper: string) => ReturnType<HelperRunner>,
): Promise<FoundCredential | undefined> {
  const keys = credentialKeys(registry, repository);
  const helper = findByKey(file.credentialHelpers, keys)?.value ?? file.credentialStore;
  if (helper !== undefined && helper !== '') {
    const answer = await ask(helper);
    if (answer.kind === 'found') {
      return { credential: answer.credential, source: `docker-credential-${helper}, named in ${file.path}` };
    }
    if (answer.kind === 'failed')
      notes.push(`docker-credential-${helper}, named in ${file.path}, failed: ${answer.reason}`);
  }
  const entry = findByKey(file.credentials, keys);
  return entry === undefined ? undefined : { credential: entry.value, source: `${entry.key} in ${file.path}` };
}

/** The entry of the most specific key; of several spellings of one key the first. */
function findByKey<T>(
  entries: ReadonlyMap<string, T>,
  keys: readonly string[],
): { readonly key: string; readonly value: T } | undefined {
  for (const wanted of keys) {
    for (const [key, value] of entries) if (normaliseKey(key) === wanted) return { key, value };
  }
  return undefined;
}
