import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flagUsage } from './flagUsage.ts';
import { buildFlags, executorFlags } from './flags/executorFlags.ts';
import { parseFlags } from './pflag.ts';
import type { FlagTable } from './pflag.ts';

/** Every flag of kaniko's executor, with a value that kaniko takes. */
const KANIKO =
  `--azure-container-registry-config=x --annotation=a=b --bucket=x -bx --build-arg=a --cache --cache-copy-layers
  --cache-dir=/c --cache-repo=r --cache-run-layers=false --cache-ttl=6h --cleanup --compressed-caching=false --compression-level=3
  --compression=zstd --context-sub-path=x --context=x -cx --credential-helpers=ecr --custom-platform=linux/arm64
  --customPlatform=linux/arm64 --destination=x -dx --digest-file=x --dockerfile=x -fx --dryrun --force --force-build-metadata
  --git=branch=x --ignore-path=/x --ignore-var-run=false --image-download-retry=1 --image-format=oci --image-fs-extract-retry=1
  --image-name-tag-with-digest-file=x --image-name-with-digest-file=x --insecure --insecure-pull --insecure-registry=x
  --kaniko-dir=/x --label=a=b --log-format=json --log-timestamp --materialize --no-push --no-push-cache --oci-layout-path=x
  --pre-cleanup --preserve-context --push-ignore-immutable-tag-errors --push-retry=2 --registry-certificate=a=b
  --registry-client-cert=a=b,c --registry-map=a=b;c=d --registry-mirror=x --reproducible --secret=id=x --single-snapshot
  --skip-default-registry-fallback --skip-push-permission-check --skip-tls-verify --skip-tls-verify-pull
  --skip-tls-verify-registry=x --skip-unused-stages --snapshot-mode=redo --snapshotMode=time --tar-path=x --tarPath=x --target=x
  --use-new-run --verbosity=debug -vdebug --whitelist-var-run=false`.split(/\s+/);

test('a kaniko command line is never refused for a flag that is not known', () => {
  for (const table of [executorFlags, buildFlags] as const) {
    for (const argument of KANIKO) parseFlags<FlagTable>(table, [argument]);
  }
});

test('no name and no letter stands for two flags', () => {
  for (const table of [executorFlags, buildFlags] as FlagTable[]) {
    const names: string[] = [];
    for (const [name, { shorthand, aliases = [] }] of Object.entries(table)) {
      for (const spelling of [{ name, shorthand }, ...aliases]) {
        names.push(`--${spelling.name}`);
        if (spelling.shorthand !== undefined) names.push(`-${spelling.shorthand}`);
      }
    }
    assert.deepEqual(names, [...new Set(names)]);
  }
});

test('help lists flags sorted, in two columns, without hidden and deprecated ones', () => {
  const usage = flagUsage({
    zeta: { type: 'bool', default: true, help: 'Last.' },
    alpha: {
      type: 'string',
      shorthand: 'a',
      default: 'x',
      help: 'First.',
      aliases: [{ name: 'old', deprecated: true }],
    },
    list: { type: 'list', default: [], help: 'More.', aliases: [{ name: 'tag', shorthand: 't' }] },
    ttl: { type: 'duration', default: 336 * 3600e9, help: 'Age.' },
    secret: { type: 'int', default: 3, hidden: true, help: 'Not shown.' },
  });
  assert.equal(
    usage,
    `  -a, --alpha string   First. (default "x")
      --list list      More. (also -t, --tag)
      --ttl duration   Age. (default 336h0m0s)
      --zeta           Last. (default true)
`,
  );
});
