import * as v from 'valibot';
import { BuildError, messageOf } from '../errors.ts';
import { parseImageConfig } from '../image/manifest.ts';
import { filedImage, type FiledImage } from './filedImage.ts';
import type { FileSet } from './fileSet.ts';

/**
 * The image of a `docker save` archive that is tagged so, or the only one.
 * @throws BuildError `IMAGE_NOT_FOUND`, `MANIFEST_INVALID`
 */
export function readDockerArchive(files: FileSet, reference?: string): FiledImage {
  const images = parseManifest(files.read('manifest.json'));
  const named = images.filter(({ RepoTags }) => reference === undefined || RepoTags?.includes(reference) === true);
  const [only] = named;
  if (only === undefined || named.length > 1) {
    const tags = images.flatMap(({ RepoTags }) => RepoTags ?? []).join(', ');
    throw new BuildError(
      'IMAGE_NOT_FOUND',
      only === undefined
        ? `the archive has no image ${reference ?? ''}; it has ${tags || 'none with a name'}`
        : `the archive has several images: ${tags}`,
      { hint: 'Name one of them behind the path, as docker-archive:FILE:NAME:TAG.' },
    );
  }
  const config = parseImageConfig(files.read(only.Config));
  return filedImage(
    config,
    only.Layers.map((file) => ({ file })),
  );
}

const manifestSchema = v.array(
  v.object({
    Config: v.string(),
    RepoTags: v.nullish(v.array(v.string())),
    Layers: v.nullish(v.array(v.string()), []),
  }),
);

function parseManifest(bytes: Buffer): v.InferOutput<typeof manifestSchema> {
  try {
    return v.parse(manifestSchema, JSON.parse(bytes.toString('utf8')));
  } catch (cause) {
    throw new BuildError('MANIFEST_INVALID', `the archive's manifest.json is not valid: ${messageOf(cause)}`, {
      cause,
    });
  }
}
