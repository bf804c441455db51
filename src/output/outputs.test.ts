import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createReadStream, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { BuildError } from '../errors.ts';
import { digestOf } from '../image/digest.ts';
import type { Image } from '../image/image.ts';
import type { ImageFormat } from '../image/mediaType.ts';
import { SampleBlobs, temporaryDirectory } from '../layer/sampleLayers.ts';
import { parseReference } from '../registry/reference.ts';
import { collectEntries } from '../tar/collectEntries.ts';
import { directory, file, symlink } from '../tree/sampleTrees.ts';
import type { ReadLayerBlob } from './dockerArchive.ts';
import { writeDockerArchive } from './dockerArchive.ts';
import { writeOciLayout } from './ociLayout.ts';
import { packImage, withFormat, type PackedImage } from './packImage.ts';
import { writeOutputs } from './writeOutputs.ts';

interface Sample {
  readonly packed: PackedImage;
  readonly readBlob: ReadLayerBlob;
  readonly directory: string;
}

/** Two layers, the first of them twice. */
function sampleImage(t: TestContext, format: ImageFormat): Sample {
  const blobs = new SampleBlobs(temporaryDirectory(t));
  const first = blobs.layer(directory('d', { mode: 0o755 }), file('d/a', { size: 2000 }));
  const layers = [first, blobs.layer(file('b', { size: 3 }), symlink('l', 'b')), first];
  const image: Image = {
    format: 'docker',
    layers,
    config: {
      architecture: 'amd64',
      os: 'linux',
      config: { Env: ['A=b'], Cmd: ['/b'] },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    },
  };
  const readBlob: ReadLayerBlob = (layer) => createReadStream(blobs.blobPath(layer));
  return { packed: packImage(withFormat(image, format)), readBlob, directory: temporaryDirectory(t) };
}

function run(t: TestContext, program: string, ...args: string[]): string | undefined {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) {
    t.skip(`needs ${program}`);
    return undefined;
  }
  assert.equal(status, 0, stderr);
  return stdout;
}

suite('the archive for docker load', () => {
  test('holds the configuration, each layer once and the manifest, all as kaniko names them', async (t) => {
    const { packed, readBlob, directory: out } = sampleImage(t, 'docker');
    const path = join(out, 'new/image.tar');
    await writeDockerArchive(path, packed, ['docker.io/a/b:c', 'r:5000/x:y'], readBlob);
    const archive = readFileSync(path);
    const [first, second] = packed.image.layers.map(({ descriptor }) => `${descriptor.digest.slice(7)}.tar.gz`);
    const entries = collectEntries(archive);
    assert.deepEqual(
      entries.map(({ header }) => header.path),
      [packed.config.descriptor.digest, first, second, 'manifest.json'],
    );
    const manifest = entries.at(-1);
    assert.deepEqual(
      JSON.parse(archive.toString('utf8', manifest?.offset, (manifest?.offset ?? 0) + (manifest?.dataBytes ?? 0))),
      [
        {
          Config: packed.config.descriptor.digest,
          RepoTags: ['docker.io/a/b:c', 'r:5000/x:y'],
          Layers: [first, second, first],
        },
      ],
    );
    assert.equal(`sha256:${entries[0]?.sha256}`, packed.config.descriptor.digest);
    assert.equal(`sha256:${entries[1]?.sha256}`, packed.image.layers[0]?.descriptor.digest);
  });

  test('is an image to skopeo', async (t) => {
    const { packed, readBlob, directory: out } = sampleImage(t, 'docker');
    const path = join(out, 'image.tar');
    await writeDockerArchive(path, packed, ['docker.io/a/b:c'], readBlob);
    const config = run(t, 'skopeo', 'inspect', '--config', '--raw', `docker-archive:${path}`);
    if (config === undefined) return;
    assert.equal(digestOf(config), packed.config.descriptor.digest);
    run(t, 'skopeo', 'copy', '--quiet', `docker-archive:${path}:docker.io/a/b:c`, `dir:${join(out, 'copy')}`);
  });

  test('that cannot be written is an error with its path', async (t) => {
    const { packed, readBlob, directory: out } = sampleImage(t, 'docker');
    await assert.rejects(
      writeDockerArchive(out, packed, ['a:b'], readBlob),
      (error) => error instanceof BuildError && error.code === 'OUTPUT_FAILED' && error.message.includes(out),
    );
  });

  test('whose layer is gone says what is wrong with the layer', async (t) => {
    const { packed, directory: out } = sampleImage(t, 'docker');
    const gone = new BuildError('BLOB_MISSING', 'the blob is gone');
    await assert.rejects(
      writeDockerArchive(join(out, 'x.tar'), packed, ['a:b'], async function* () {
        yield new Uint8Array(3);
        throw gone;
      }),
      gone,
    );
  });
});

suite('the OCI layout', () => {
  test('holds every blob under its digest, and the image under its tag', async (t) => {
    const { packed, readBlob, directory: out } = sampleImage(t, 'oci');
    await writeOciLayout(out, packed, 'v1', readBlob);
    assert.deepEqual(JSON.parse(readFileSync(join(out, 'oci-layout'), 'utf8')), { imageLayoutVersion: '1.0.0' });
    const { digest, size, mediaType } = packed.manifest.descriptor;
    assert.deepEqual(JSON.parse(readFileSync(join(out, 'index.json'), 'utf8')), {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        {
          mediaType,
          digest,
          size,
          annotations: { 'org.opencontainers.image.ref.name': 'v1' },
          platform: { architecture: 'amd64', os: 'linux' },
        },
      ],
    });
    assert.equal(mediaType, 'application/vnd.oci.image.manifest.v1+json');
    for (const { descriptor } of [packed.config, packed.manifest, ...packed.image.layers]) {
      const bytes = readFileSync(join(out, 'blobs/sha256', descriptor.digest.slice(7)));
      assert.equal(digestOf(bytes), descriptor.digest);
    }
  });

  test('is written again over itself without reading a layer', async (t) => {
    const { packed, readBlob, directory: out } = sampleImage(t, 'oci');
    await writeOciLayout(out, packed, 'v1', readBlob);
    await writeOciLayout(out, packed, 'v2', () => assert.fail('a blob that is there was read'));
    assert.match(readFileSync(join(out, 'index.json'), 'utf8'), /"v2"/);
  });

  test('is an image to skopeo and to umoci', async (t) => {
    const { packed, readBlob, directory: out } = sampleImage(t, 'oci');
    await writeOciLayout(out, packed, 'v1', readBlob);
    const raw = run(t, 'skopeo', 'inspect', '--raw', `oci:${out}:v1`);
    if (raw === undefined) return;
    assert.equal(digestOf(raw), packed.manifest.descriptor.digest);
    if (process.geteuid?.() !== 0) return;
    const bundle = join(temporaryDirectory(t), 'bundle');
    if (run(t, 'umoci', 'unpack', '--image', `${out}:v1`, bundle) === undefined) return;
    assert.equal(readFileSync(join(bundle, 'rootfs/d/a'), 'utf8').length, 2000);
  });
});

suite('digest files are what pipelines read from kaniko', () => {
  const destinations = ['a/b:c', 'registry.example:5000/x'].map(parseReference);

  test('a digest without a newline; a line for each destination', async (t) => {
    const { packed, readBlob, directory: out } = sampleImage(t, 'docker');
    const { digest } = packed.manifest.descriptor;
    const at = (name: string): string => join(out, 'made', name);
    await writeOutputs(
      { digestFile: at('digest'), imageNameWithDigestFile: at('name') },
      packed,
      destinations,
      readBlob,
    );
    assert.equal(readFileSync(at('digest'), 'utf8'), digest);
    assert.equal(
      readFileSync(at('name'), 'utf8'),
      `index.docker.io/a/b@${digest}\nregistry.example:5000/x@${digest}\n`,
    );
    assert.equal(statSync(at('digest')).mode & 0o777, 0o644);
    assert.equal(statSync(at('')).mode & 0o777, 0o700);
  });

  test('both name files have the tag if both are asked for', async (t) => {
    const { packed, readBlob, directory: out } = sampleImage(t, 'docker');
    const { digest } = packed.manifest.descriptor;
    const [name, tag] = [join(out, 'name'), join(out, 'tag')];
    await writeOutputs(
      { imageNameWithDigestFile: name, imageNameTagWithDigestFile: tag },
      packed,
      destinations,
      readBlob,
    );
    const lines = `index.docker.io/a/b:c@${digest}\nregistry.example:5000/x:latest@${digest}\n`;
    assert.deepEqual([readFileSync(name, 'utf8'), readFileSync(tag, 'utf8')], [lines, lines]);
  });

  test('a termination log, which is a mount, is written in place', async (t) => {
    if (process.geteuid?.() !== 0) return t.skip('needs root to mount');
    const { packed, readBlob, directory: out } = sampleImage(t, 'docker');
    const [log, behind] = [join(out, 'termination-log'), join(out, 'behind')];
    for (const path of [log, behind]) writeFileSync(path, 'longer than a digest is, by far: '.repeat(9));
    const { status, stderr } = spawnSync('mount', ['--bind', behind, log], { encoding: 'utf8' });
    if (status !== 0) return t.skip(`can't mount here: ${stderr}`);
    try {
      await writeOutputs({ digestFile: log }, packed, [], readBlob);
    } finally {
      spawnSync('umount', [log]);
    }
    assert.equal(readFileSync(behind, 'utf8'), packed.manifest.descriptor.digest);
  });

  test('what cannot be written is an error with its path', async (t) => {
    const { packed, readBlob, directory: out } = sampleImage(t, 'docker');
    writeFileSync(join(out, 'file'), '');
    await assert.rejects(
      writeOutputs({ digestFile: join(out, 'file/digest') }, packed, [], readBlob),
      (error) => error instanceof BuildError && error.code === 'OUTPUT_FAILED' && error.message.includes('file/digest'),
    );
  });
});

suite('an archive has the tags of its destinations', () => {
  const table: readonly (readonly [destinations: readonly string[], tags: readonly string[]])[] = [
    [[], ['docker.io/unset-repo/unset-image-name:latest']],
    [['busybox'], ['docker.io/library/busybox:latest']],
    [
      ['localhost:5000/a:b', 'a/c'],
      ['localhost:5000/a:b', 'docker.io/a/c:latest'],
    ],
  ];
  for (const [destinations, tags] of table) {
    test(destinations.join(' and ') || 'none', async (t) => {
      const { packed, readBlob, directory: out } = sampleImage(t, 'docker');
      const tarPath = join(out, 'x.tar');
      await writeOutputs({ tarPath }, packed, destinations.map(parseReference), readBlob);
      const archive = readFileSync(tarPath, 'latin1');
      assert.ok(archive.includes(`"RepoTags":${JSON.stringify(tags)}`));
    });
  }
});

test('another family of media types changes the manifest and no blob', (t) => {
  const docker = sampleImage(t, 'docker').packed;
  const oci = packImage(withFormat(docker.image, 'oci'));
  assert.equal(oci.config.descriptor.digest, docker.config.descriptor.digest);
  assert.deepEqual(
    oci.image.layers.map(({ descriptor }) => [descriptor.mediaType, descriptor.digest]),
    docker.image.layers.map(({ descriptor }) => ['application/vnd.oci.image.layer.v1.tar+gzip', descriptor.digest]),
  );
  assert.equal(docker.image.layers[0]?.descriptor.mediaType, 'application/vnd.docker.image.rootfs.diff.tar.gzip');
  assert.deepEqual(withFormat(oci.image, 'docker'), docker.image);
});
