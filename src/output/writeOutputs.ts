import type { Reference } from '../registry/reference.ts';
import { writeDigestFiles, type DigestFiles } from './digestFiles.ts';
import { writeDockerArchive, type ReadLayerBlob } from './dockerArchive.ts';
import { writeOciLayout } from './ociLayout.ts';
import type { PackedImage } from './packImage.ts';

export interface OutputPaths extends DigestFiles {
  readonly tarPath?: string | undefined;
  readonly ociLayoutPath?: string | undefined;
}

/** The tag of an archive that no destination names, as kaniko has it. */
const UNNAMED = 'docker.io/unset-repo/unset-image-name:latest';

/** Writes what stays on this machine, in kaniko's order: digest files, layout, archive. @throws BuildError `OUTPUT_FAILED` */
export async function writeOutputs(
  paths: OutputPaths,
  packed: PackedImage,
  destinations: readonly Reference[],
  readBlob: ReadLayerBlob,
): Promise<void> {
  writeDigestFiles(paths, packed.manifest.descriptor.digest, destinations);
  if (paths.ociLayoutPath !== undefined) {
    await writeOciLayout(paths.ociLayoutPath, packed, destinations[0]?.tag ?? 'latest', readBlob);
  }
  if (paths.tarPath !== undefined) {
    const tags = destinations.map(archiveTag);
    await writeDockerArchive(paths.tarPath, packed, tags.length === 0 ? [UNNAMED] : tags, readBlob);
  }
}

/** `docker load` calls Docker Hub docker.io. */
function archiveTag({ registry, repository, tag }: Reference): string {
  return `${registry === 'index.docker.io' ? 'docker.io' : registry}/${repository}:${tag ?? 'latest'}`;
}
