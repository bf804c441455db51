import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from './digest.ts';
import { encodeManifest, parseImageConfig, parseIndex, parseManifest, parseManifestDocument } from './manifest.ts';
import { MEDIA_TYPES } from './mediaType.ts';

const DIGEST = digestOf('x');
const CONFIG = { mediaType: MEDIA_TYPES.oci.config, digest: DIGEST, size: 3 };
const LAYER = { mediaType: MEDIA_TYPES.oci.layerGzip, digest: DIGEST, size: 5 };
const MANIFEST = { schemaVersion: 2, mediaType: MEDIA_TYPES.oci.manifest, config: CONFIG, layers: [LAYER] };
const INDEX = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.oci.index,
  manifests: [
    { mediaType: MEDIA_TYPES.oci.manifest, digest: DIGEST, size: 9, platform: { os: 'linux', architecture: 'arm64' } },
  ],
};

function bytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

test('a manifest is encoded in the order in which Docker and BuildKit write it, and read back', () => {
  const layers = [{ descriptor: { ...LAYER, annotations: { b: '2', a: '1' } } }];
  const encoded = encodeManifest({ format: 'oci', layers }, { digest: DIGEST, size: 3 }, { z: '1', y: '2' });
  assert.equal(
    encoded.toString(),
    `{"schemaVersion":2,"mediaType":"${MEDIA_TYPES.oci.manifest}",` +
      `"config":{"mediaType":"${MEDIA_TYPES.oci.config}","digest":"${DIGEST}","size":3},` +
      `"layers":[{"mediaType":"${MEDIA_TYPES.oci.layerGzip}","digest":"${DIGEST}","size":5,"annotations":{"a":"1","b":"2"}}],` +
      '"annotations":{"y":"2","z":"1"}}',
  );
  const parsed = parseManifest(encoded, MEDIA_TYPES.oci.manifest);
  assert.deepEqual(parsed.config, CONFIG);
  assert.equal(parsed.layers[0]?.size, 5);
});

test('what a document is comes from its Content-Type, then from itself', () => {
  const cases: [value: unknown, contentType: string | undefined, kind: string, format: string][] = [
    [MANIFEST, MEDIA_TYPES.oci.manifest, 'manifest', 'oci'],
    [MANIFEST, undefined, 'manifest', 'oci'],
    [MANIFEST, 'application/json; charset=utf-8', 'manifest', 'oci'],
    [{ ...MANIFEST, mediaType: undefined }, undefined, 'manifest', 'oci'],
    [
      { schemaVersion: 2, config: { ...CONFIG, mediaType: MEDIA_TYPES.docker.config }, layers: [] },
      undefined,
      'manifest',
      'docker',
    ],
    [INDEX, `${MEDIA_TYPES.oci.index}; charset=utf-8`, 'index', 'oci'],
    [{ ...INDEX, mediaType: undefined }, undefined, 'index', 'oci'],
    [{ ...INDEX, mediaType: MEDIA_TYPES.docker.index }, undefined, 'index', 'docker'],
  ];
  for (const [value, contentType, kind, format] of cases) {
    const document = parseManifestDocument(bytes(value), contentType);
    assert.deepEqual([document.kind, document.format], [kind, format], JSON.stringify([value, contentType]));
  }
  assert.equal(parseIndex(bytes(INDEX)).manifests[0]?.platform?.architecture, 'arm64');
});

test('hostile and broken documents are refused with the place of the fault', () => {
  const withLayer = (change: object): unknown => ({ ...MANIFEST, layers: [{ ...LAYER, ...change }] });
  const cases: [value: unknown, contentType: string | undefined, message: RegExp][] = [
    [{ ...MANIFEST, manifests: [] }, undefined, /manifests has no place/],
    [{ ...INDEX, layers: [] }, undefined, /layers has no place/],
    [{ ...INDEX, config: CONFIG }, MEDIA_TYPES.oci.index, /config has no place/],
    [MANIFEST, MEDIA_TYPES.docker.manifest, /served as/],
    [{ ...MANIFEST, mediaType: MEDIA_TYPES.oci.index, manifests: [] }, MEDIA_TYPES.oci.manifest, /no place|served as/],
    [withLayer({ size: -1 }), undefined, /layers\.0\.size: is negative/],
    [withLayer({ size: 1.5 }), undefined, /layers\.0\.size/],
    [withLayer({ size: 2 ** 60 }), undefined, /layers\.0\.size/],
    [withLayer({ size: '5' }), undefined, /layers\.0\.size: is not a number/],
    [withLayer({ digest: 'sha256:../../x' }), undefined, /layers\.0\.digest/],
    [withLayer({ digest: DIGEST.toUpperCase() }), undefined, /layers\.0\.digest/],
    [{ ...MANIFEST, config: undefined }, undefined, /config/],
    [{ ...MANIFEST, schemaVersion: 3 }, undefined, /schemaVersion/],
    [[], undefined, /not a JSON object/],
    [null, undefined, /not a JSON object/],
  ];
  for (const [value, contentType, message] of cases) {
    assert.throws(() => parseManifestDocument(bytes(value), contentType), { code: 'MANIFEST_INVALID', message });
  }
  assert.throws(() => parseManifestDocument(Buffer.from([0x7b, 0xff, 0x7d])), { code: 'MANIFEST_INVALID' });
  assert.throws(() => parseManifestDocument(bytes({ schemaVersion: 1, fsLayers: [] })), { code: 'MANIFEST_SCHEMA1' });
});

test('a configuration keeps what we do not know, and null means absent', () => {
  const config = parseImageConfig(
    bytes({
      architecture: 'amd64',
      os: 'linux',
      created: null,
      docker_version: '1',
      config: { Env: null, Cmd: null, Labels: { a: 'b' }, Hostname: 'h', Healthcheck: { Test: ['NONE'], Later: 1 } },
      rootfs: { type: 'layers', diff_ids: [DIGEST] },
      history: [{ created_by: 'x', empty_layer: true }],
    }),
  );
  assert.deepEqual(JSON.parse(JSON.stringify(config)), {
    architecture: 'amd64',
    os: 'linux',
    docker_version: '1',
    config: { Cmd: null, Labels: { a: 'b' }, Hostname: 'h', Healthcheck: { Test: ['NONE'], Later: 1 } },
    rootfs: { type: 'layers', diff_ids: [DIGEST] },
    history: [{ created_by: 'x', empty_layer: true }],
  });
  const broken: [value: object, message: RegExp][] = [
    [{ config: { Env: 'PATH=/' } }, /config\.Env/],
    [{ config: { Labels: { a: 1 } } }, /config\.Labels\.a/],
    [{ rootfs: { type: 'layers', diff_ids: ['sha256:x'] } }, /rootfs\.diff_ids\.0/],
    [{ rootfs: undefined }, /rootfs/],
    [{ os: 1 }, /os/],
  ];
  for (const [change, message] of broken) {
    const value = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, ...change };
    assert.throws(() => parseImageConfig(bytes(value)), { code: 'MANIFEST_INVALID', message });
  }
});
