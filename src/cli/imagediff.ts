import { tmpdir } from 'node:os';
import { compilePatterns } from '../context/patternMatcher.ts';
import { createDockerKeychain } from '../credentials/keychain.ts';
import { BuildError, hasErrno } from '../errors.ts';
import { createHttpClient } from '../http/client.ts';
import { hostPlatform, parsePlatform } from '../image/platform.ts';
import { compareConfiguration } from '../imagediff/compareConfiguration.ts';
import { compareRootfs } from '../imagediff/compareRootfs.ts';
import { openImage, type ImageSourceOptions } from '../imagediff/imageSource.ts';
import { writeReport } from '../imagediff/report.ts';
import { readRootfs, type SharedLayers } from '../imagediff/rootfs.ts';
import { createRegistryClient } from '../registry/client.ts';
import { errorText } from '../report/errorText.ts';
import { flagUsage } from './flagUsage.ts';
import { parseFlags, type FlagTable, type ParsedFlags } from './pflag.ts';
import { version } from '../version.ts';

const flags = {
  json: { type: 'bool', default: false, help: 'Write JSON.' },
  mtime: { type: 'bool', default: false, help: 'Compare modification and creation times too.' },
  history: { type: 'bool', default: false, help: 'Compare the history too.' },
  layers: { type: 'bool', default: false, help: 'Compare the number of layers too.' },
  ignore: {
    type: 'list',
    default: [],
    help: 'Path to leave out, with all below it; a pattern as in a .dockerignore file. Repeatable.',
  },
  platform: { type: 'string', default: '', help: "Image to take of a multi-platform one. Default: this machine's." },
  insecure: { type: 'bool', default: false, help: 'Use plain HTTP.' },
  'insecure-registry': { type: 'list', default: [], help: 'Registry to use plain HTTP with. Repeatable.' },
  'skip-tls-verify': { type: 'bool', default: false, help: "Do not verify registries' certificates." },
  'skip-tls-verify-registry': {
    type: 'list',
    default: [],
    help: 'Registry whose certificate is not verified. Repeatable.',
  },
  'registry-certificate': {
    type: 'pairs',
    default: new Map(),
    help: 'Certificate to trust for a registry, as registry=/path/to/certificate.pem. Repeatable.',
  },
  help: { type: 'bool', shorthand: 'h', default: false, help: 'Show this help.' },
} as const satisfies FlagTable;

type Values = ParsedFlags<typeof flags>['values'];

/** What a command may use of its process. */
export interface ImagediffIo {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** `run` with this process's streams. */
export function imagediffCommand(args: readonly string[]): Promise<number> {
  // A reader that went away (`kasane imagediff A B | head`) has seen enough.
  process.stdout.on('error', (error) => {
    if (!hasErrno(error, 'EPIPE')) throw error;
  });
  return run(args, { stdout: process.stdout, stderr: process.stderr, environment: process.env });
}

/** Compares two images. Gives 0 if they are equal, 1 if they differ, 2 after an error. */
export async function run(argv: readonly string[], io: ImagediffIo): Promise<number> {
  try {
    const { values, positional } = parseFlags(flags, argv);
    if (values.help) {
      io.stdout.write(usage());
      return 0;
    }
    const [a, b, ...more] = positional;
    if (a === undefined || b === undefined || more.length > 0) {
      throw new BuildError('USAGE', `imagediff compares two images, ${positional.length} were given`, {
        hint: "Run 'kasane imagediff --help' for the ways to name them.",
      });
    }
    return await compare(a, b, values, io);
  } catch (error) {
    io.stderr.write(errorText(error, { debug: false }));
    return 2;
  }
}

async function compare(a: string, b: string, values: Values, io: ImagediffIo): Promise<number> {
  const ignore = compilePatterns(values.ignore.map((pattern) => pattern.replace(/^(!?)\/+/, '$1')));
  const http = createHttpClient({ environment: io.environment, version });
  try {
    const options = sourceOptions(values, io, http);
    await using left = await openImage(a, options);
    await using right = await openImage(b, options);
    const shared: SharedLayers = new Map();
    const [leftRootfs, rightRootfs] = await Promise.all([readRootfs(left, shared), readRootfs(right, shared)]);
    const differences = writeReport(
      {
        rootfs: compareRootfs(leftRootfs, rightRootfs, { ignore, mtime: values.mtime }),
        configuration: compareConfiguration(left.config, right.config, {
          history: values.history,
          layers: values.layers,
          times: values.mtime,
        }),
      },
      values.json ? 'json' : 'text',
      (text) => io.stdout.write(text),
    );
    return differences === 0 ? 0 : 1;
  } finally {
    http.close();
  }
}

function sourceOptions(
  values: Values,
  { environment }: ImagediffIo,
  http: ReturnType<typeof createHttpClient>,
): ImageSourceOptions {
  return {
    platform: values.platform === '' ? hostPlatform() : parsePlatform(values.platform),
    scratchDirectory: environment['TMPDIR'] ?? tmpdir(),
    registry: createRegistryClient({
      http,
      keychain: createDockerKeychain({ environment }),
      options: {
        insecurePush: values.insecure,
        insecurePull: values.insecure,
        insecureRegistries: values['insecure-registry'],
        skipTlsVerify: values['skip-tls-verify'],
        skipTlsVerifyPull: values['skip-tls-verify'],
        skipTlsVerifyRegistries: values['skip-tls-verify-registry'],
        certificates: values['registry-certificate'],
      },
    }),
  };
}

function usage(): string {
  return [
    'Compares two images entry by entry: root file systems and configurations.\n\n',
    'Usage:\n  kasane imagediff [flags] A B\n\n',
    'An image is named as\n',
    '  REFERENCE or docker://REFERENCE    in a registry\n',
    '  oci:DIRECTORY[:TAG]                in an OCI image layout\n',
    '  oci-archive:FILE[:TAG]             in an archive of such a layout\n',
    '  docker-archive:FILE[:REFERENCE]    in an archive of docker save\n',
    '  a path that begins with / or .     any of the three\n\n',
    'Exit code: 0 if they are equal, 1 if they differ, 2 after an error.\n\n',
    'Flags:\n',
    flagUsage(flags),
  ].join('');
}
