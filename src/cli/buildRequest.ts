import { join, resolve } from 'node:path';
import type { BuildRequest, CacheRequest, IsolationMode } from '../build/request.ts';
import { BuildError } from '../errors.ts';
import { hostPlatform, parsePlatform } from '../image/platform.ts';
import { mirrorMap } from '../registry/mirrors.ts';
import { cachePlaces } from './cachePlaces.ts';
import { dataDirectory } from './dataDirectory.ts';
import type { BuildFlags } from './flags/executorFlags.ts';
import type { ParsedFlags } from './pflag.ts';
import { parseSecrets } from './secretFlag.ts';
import { parseSshAgents } from './sshFlag.ts';
import type { Face, Surroundings } from './surroundings.ts';

/**
 * The request that a command line makes, checked by kaniko's rules and in its words.
 * @throws BuildError `DESTINATION_MISSING`, `OUTPUT_MISSING`, `CACHE_REPO_MISSING`, `ARGUMENT_UNEXPECTED`, `FLAG_INVALID`,
 *   `FLAG_UNSUPPORTED`, `PLATFORM_INVALID`, `DATA_DIRECTORY_IN_CONTEXT`
 */
export function buildRequest(flags: ParsedFlags<BuildFlags>, face: Face, around: Surroundings): BuildRequest {
  const { values } = flags;
  const absolute = (path: string): string => resolve(around.workingDirectory, path);
  const context = contextOf(flags, face, absolute);
  checkOutputs(flags, face);
  return {
    context,
    ...given('contextSubPath', values['context-sub-path']),
    dockerfile: dockerfileOf(flags, face, context),
    destinations: values.destination,
    buildArgs: values['build-arg'].flatMap((text) => buildArg(text, face, around.environment)),
    ...given('target', values.target),
    labels: values.label.map(label),
    push: !values['no-push'] && values.destination.length > 0,
    skipPushPermissionCheck: values['skip-push-permission-check'],
    ...given('tarPath', values['tar-path'], absolute),
    ...given('ociLayoutPath', values['oci-layout-path'], absolute),
    ...given('digestFile', localFile('digest-file', values['digest-file']), absolute),
    ...given(
      'imageNameWithDigestFile',
      localFile('image-name-with-digest-file', values['image-name-with-digest-file']),
      absolute,
    ),
    ...given(
      'imageNameTagWithDigestFile',
      localFile('image-name-tag-with-digest-file', values['image-name-tag-with-digest-file']),
      absolute,
    ),
    reproducible: values.reproducible,
    singleSnapshot: values['single-snapshot'],
    platform: values['custom-platform'] === '' ? hostPlatform() : parsePlatform(values['custom-platform']),
    isolation: values.isolation as IsolationMode,
    force: values.force,
    ignorePaths: values['ignore-path'],
    dataDirectory: dataDirectory(values['kaniko-dir'], context, face, around),
    jobs: jobsOf(values.jobs, around.cpus),
    registry: {
      insecurePush: values.insecure,
      insecurePull: values['insecure-pull'],
      insecureRegistries: values['insecure-registry'],
      skipTlsVerify: values['skip-tls-verify'],
      skipTlsVerifyPull: values['skip-tls-verify-pull'],
      skipTlsVerifyRegistries: values['skip-tls-verify-registry'],
      certificates: new Map([...values['registry-certificate']].map(([name, path]) => [name, absolute(path)])),
      clientCertificates: new Map(
        [...values['registry-client-cert']].map(([name, paths]) => [name, clientCertificate(name, paths, absolute)]),
      ),
    },
    mirrors: {
      map: mirrorMap(values['registry-map'], values['registry-mirror']),
      fallBack: !values['skip-default-registry-fallback'],
    },
    ...cacheRequest(flags, around),
    secrets: parseSecrets(values.secret, around.environment, absolute),
    sshAgents: parseSshAgents(values.ssh, around.environment, absolute),
  };
}

/** `{ [name]: text }`, or nothing for an empty text. */
function given<N extends string>(
  name: N,
  text: string,
  change: (text: string) => string = (same) => same,
): { readonly [K in N]?: string } {
  return text === '' ? {} : ({ [name]: change(text) } as { [K in N]: string });
}

/** `--cache`, or a place to look in or to fill, turns it on. */
function cacheRequest(
  { values }: ParsedFlags<BuildFlags>,
  { workingDirectory }: Surroundings,
): { readonly cache?: CacheRequest } {
  const from = cachePlaces('cache-from', values['cache-from'], workingDirectory);
  const to = cachePlaces('cache-to', values['cache-to'], workingDirectory);
  if (!values.cache && from.length === 0 && to.length === 0) return {};
  const executedStages = values['no-cache-filter'].flatMap((stages) => stages.split(','));
  return {
    cache: {
      ...(values.cache ? given('repository', values['cache-repo']) : { own: false }),
      ...(from.length === 0 ? {} : { from }),
      ...(to.length === 0 ? {} : { to }),
      ...(values['no-cache'] ? { read: false } : {}),
      ...(executedStages.length === 0 ? {} : { executedStages }),
      ...(values['cache-errors'] === 'fail' ? { errors: 'fail' } : {}),
      push: !values['no-push-cache'],
      runLayers: values['cache-run-layers'],
      copyLayers: values['cache-copy-layers'],
      maxAge: values['cache-ttl'] / 1e6,
    },
  };
}

/** In kaniko's words. */
function clientCertificate(
  registry: string,
  paths: string,
  absolute: (path: string) => string,
): { readonly certificate: string; readonly key: string } {
  const [certificate, key, ...more] = paths.split(',');
  if (certificate === undefined || key === undefined || more.length > 0) {
    throw new BuildError(
      'FLAG_INVALID',
      `failed to load client certificate/key '${registry}=${paths}', expected format: ${registry}=/path/to/cert,/path/to/key.`,
    );
  }
  return { certificate: absolute(certificate), key: absolute(key) };
}

function contextOf(flags: ParsedFlags<BuildFlags>, face: Face, absolute: (path: string) => string): string {
  const [positional, unexpected] = face === 'executor' ? [undefined, flags.positional[0]] : flags.positional;
  if (unexpected !== undefined) {
    const word = JSON.stringify(unexpected);
    const message = face === 'executor' ? `unknown command ${word} for "executor"` : `unexpected argument ${word}`;
    throw new BuildError('ARGUMENT_UNEXPECTED', message, {
      hint: /^(true|false)$/i.test(unexpected)
        ? 'A switch takes its value after an equals sign, as in --no-push=true.'
        : 'Every option but the context starts with dashes; quote values that hold spaces.',
    });
  }
  if (positional !== undefined && flags.given.has('context')) {
    throw new BuildError('FLAG_INVALID', `the context is given twice: ${positional} and --context`);
  }
  const context = positional ?? flags.values.context;
  return context.includes('://') ? context : absolute(context);
}

/** Docker looks for it in the context, kaniko in the working directory first. */
function dockerfileOf(flags: ParsedFlags<BuildFlags>, face: Face, context: string): string {
  const { dockerfile, 'context-sub-path': subPath } = flags.values;
  const inContext = face === 'kasane' && !flags.given.has('dockerfile') && !context.includes('://');
  return inContext ? join(context, subPath, dockerfile) : dockerfile;
}

function checkOutputs({ values }: ParsedFlags<BuildFlags>, face: Face): void {
  const noPush = values['no-push'];
  if (values.destination.length === 0) {
    if (face === 'executor' && !noPush) {
      throw new BuildError('DESTINATION_MISSING', 'you must provide --destination, or use --no-push');
    }
    if (values['image-name-with-digest-file'] !== '') {
      throw new BuildError('DESTINATION_MISSING', 'you must provide --destination if setting ImageNameDigestFile');
    }
    if (values['image-name-tag-with-digest-file'] !== '') {
      throw new BuildError('DESTINATION_MISSING', 'you must provide --destination if setting ImageNameTagDigestFile');
    }
    if (!noPush && values['tar-path'] === '' && values['oci-layout-path'] === '') {
      throw new BuildError('OUTPUT_MISSING', 'The image would go nowhere', {
        hint: 'Push it with -t NAME, save it with --tar-path FILE or --oci-layout-path DIR, or only try the build with --no-push.',
      });
    }
  }
  if (values.cache && noPush && values['cache-repo'] === '' && !values['no-push-cache']) {
    throw new BuildError(
      'CACHE_REPO_MISSING',
      'cache flags invalid: if using cache with --no-push, specify cache repo with --cache-repo',
    );
  }
}

/** A bare name takes the environment's value; if there is none, kaniko passes an empty one and docker none. */
function buildArg(
  text: string,
  face: Face,
  environment: Surroundings['environment'],
): readonly { readonly name: string; readonly value: string }[] {
  const equals = text.indexOf('=');
  if (equals >= 0) return [{ name: text.slice(0, equals), value: text.slice(equals + 1) }];
  const value = environment[text] ?? (face === 'executor' ? '' : undefined);
  return value === undefined ? [] : [{ name: text, value }];
}

function label(text: string): { readonly key: string; readonly value: string } {
  const equals = text.indexOf('=');
  if (equals < 0) throw new BuildError('FLAG_INVALID', `labels must be of the form key=value, got ${text}`);
  return { key: text.slice(0, equals), value: text.slice(equals + 1) };
}

function localFile(flag: string, path: string): string {
  if (!/^https?:\/\//i.test(path)) return path;
  throw new BuildError('FLAG_UNSUPPORTED', `--${flag} takes a file; sending it to a URL comes with a later release`);
}

function jobsOf(jobs: number, cpus: number): number {
  if (jobs < 0)
    throw new BuildError('FLAG_INVALID', `invalid argument "${jobs}" for "--jobs" flag: must not be negative`);
  return jobs === 0 ? cpus : jobs;
}
