// A build from request to result: finds the Dockerfile, plans, runs the stages that are needed side by side, writes the outputs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBuildContext } from '../context/buildContext.ts';
import { openContextTree } from '../context/contextTree.ts';
import { findDockerfile, readIgnoreFile } from '../context/dockerfile.ts';
import { parseDockerfile } from '../dockerfile/parseDockerfile.ts';
import { BuildError, messageOf } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import type { Image } from '../image/image.ts';
import { hostPlatform } from '../image/platform.ts';
import { packImage, withFormat, type PackedImage } from '../output/packImage.ts';
import { checkPushPermissions, startPush } from '../output/push.ts';
import { writeOutputs } from '../output/writeOutputs.ts';
import type { PlanOptions } from '../plan/planStages.ts';
import { parseReference, type Reference } from '../registry/reference.ts';
import { repairRoot } from '../rootfs/borrowRoot.ts';
import type { Tree } from '../tree/tree.ts';
import { brokenLayer, type FoundLayer } from './brokenLayer.ts';
import { openCaching, type CachingOptions } from './openCaching.ts';
import { planBuild } from './planBuild.ts';
import type { BuildOptions, BuildRequest } from './request.ts';
import { runStages } from './runStages.ts';
import { openSession, type BuildSession } from './session.ts';

export interface BuildResult {
  /** Of the manifest. */
  readonly digest: Digest;
  readonly image: Image;
  readonly packed: PackedImage;
}

/**
 * Builds what a request asks for.
 * @throws BuildError for everything a user can act on; the signal's reason when it is aborted
 */
export async function build(request: BuildRequest, options: BuildOptions = {}): Promise<BuildResult> {
  const distrusted = new Set<Digest>();
  for (;;) {
    const found = new Map<Digest, FoundLayer>();
    try {
      return await buildOnce(request, options, { signal: options.signal, distrusted, found });
    } catch (error) {
      const broken = options.signal?.aborted === true ? undefined : brokenLayer(error, found);
      if (broken === undefined) throw error;
      // What came down a pipe is gone.
      if (request.context === 'tar://stdin') throw brokenCache(broken, error);
      const message = `${messageOf(error)}; the build starts again without this layer of the cache ${broken.cache}`;
      options.listener?.({ kind: 'log', level: 'warn', message });
      distrusted.add(broken.layer.descriptor.digest);
    }
  }
}

function brokenCache({ layer, cache }: FoundLayer, cause: unknown): BuildError {
  return new BuildError(
    'CACHE_LAYER_BROKEN',
    `The layer ${layer.descriptor.digest} of the cache ${cache} is broken: ${messageOf(cause)}`,
    { cause, hint: 'Build again with --no-cache.' },
  );
}

async function buildOnce(
  request: BuildRequest,
  options: BuildOptions,
  cachingOptions: CachingOptions,
): Promise<BuildResult> {
  const destinations = request.destinations.map(parseReference);
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  await repair(request, options, signal);
  await using session = openSession(request, { ...options, signal });
  await using context = await openBuildContext({
    context: request.context,
    cwd: process.cwd(),
    scratchDirectory: session.scratch,
    ...(request.contextSubPath === undefined ? {} : { subPath: request.contextSubPath }),
  });
  const dockerfilePath = findDockerfile(request.dockerfile, context, process.cwd());
  const dockerfile = parseDockerfile(readFileSync(dockerfilePath, 'utf8'), { file: request.dockerfile });
  const ignore = readIgnoreFile(dockerfilePath, context);
  const plan = await planBuild(session, dockerfile, planOptions(request));
  for (const { message } of plan.warnings) session.log('warn', message);
  if (request.push) await checkPermissions(session, destinations);
  const caching = openCaching(session, cachingOptions);

  const push = request.push ? startPush(session, destinations) : undefined;
  try {
    const image = await runStages({
      session,
      dockerfile,
      plan,
      caching,
      context: once(() => openContextTree(context.directory, ignore, session.root)),
      onTargetLayer: (layer) => push?.layer(layer) ?? Promise.resolve(layer),
      stop: () => stop.abort(),
    });
    // Outputs may lie in directories that were set aside.
    session.root[Symbol.dispose]();
    const packed = packImage(finish(request, image));
    await writeOutputs(request, packed, destinations, session.readBlob);
    if (session.request.cache?.errors === 'fail') await session.settle();
    caching?.throwFailure();
    if (push !== undefined) await push.finish(packed);
    else if (destinations.length > 0 || !isSaved(request)) {
      session.log('info', 'Skipping push to container registry due to --no-push flag');
    }
    await session.settle();
    await caching?.recorder.save('built');
    return { digest: packed.manifest.descriptor.digest, image: packed.image, packed };
  } catch (error) {
    stop.abort();
    session.root[Symbol.dispose]();
    await push?.abandon();
    await session.settle();
    await caching?.recorder.save('failed');
    throw error;
  }
}

/** Before anything of this machine is looked at. */
async function repair({ dataDirectory }: BuildRequest, { listener }: BuildOptions, signal: AbortSignal): Promise<void> {
  const log = (message: string): void => listener?.({ kind: 'log', level: 'warn', message });
  const wait = (): void => log('Waiting for another build in this container, which has borrowed /');
  if (await repairRoot(join(dataDirectory, 'in-place'), signal, wait)) {
    log('An earlier build was killed while / was borrowed; it has been put back');
  }
}

function planOptions(request: BuildRequest): PlanOptions {
  return {
    buildArgs: new Map(request.buildArgs.map(({ name, value }) => [name, value])),
    ...(request.target === undefined ? {} : { target: request.target }),
    buildPlatform: hostPlatform(),
    targetPlatform: request.platform,
  };
}

async function checkPermissions(session: BuildSession, destinations: readonly Reference[]): Promise<void> {
  if (session.request.skipPushPermissionCheck || destinations.length === 0) return;
  await checkPushPermissions(session, destinations);
}

/** What belongs to the result and not to a stage: labels of the command line win; an OCI layout holds OCI media types. */
function finish(request: BuildRequest, image: Image): Image {
  const labels = Object.fromEntries(request.labels.map(({ key, value }) => [key, value]));
  const labelled: Image =
    request.labels.length === 0
      ? image
      : {
          ...image,
          config: {
            ...image.config,
            config: { ...image.config.config, Labels: { ...image.config.config?.Labels, ...labels } },
          },
        };
  return withFormat(labelled, request.ociLayoutPath === undefined ? image.format : 'oci');
}

function isSaved({ tarPath, ociLayoutPath }: BuildRequest): boolean {
  return tarPath !== undefined || ociLayoutPath !== undefined;
}

function once(open: () => Tree): () => Tree {
  let tree: Tree | undefined;
  return () => (tree ??= open());
}
