/**
 * The environment as the user set it: bin/kasane hides NODE_OPTIONS from its own Node.js under another name, but a bare
 * `--build-arg NODE_OPTIONS` means the user's.
 */
export function userEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string | undefined>> {
  const { KASANE_NODE_OPTIONS: nodeOptions, ...rest } = environment;
  return nodeOptions === undefined ? rest : { ...rest, NODE_OPTIONS: nodeOptions };
}
