import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { HistoryEntry, ImageConfig } from '../image/config.ts';
import { layerNamed } from '../tree/sampleTrees.ts';
import { historyEntry, imageConfig } from './imageConfig.ts';

const NOW = '2026-01-01T00:00:00.000Z';
const AMD64 = { os: 'linux', architecture: 'amd64' };
const LAYER = layerNamed(1);

test('an image from scratch is for the platform that was asked for', () => {
  const platform = { os: 'linux', architecture: 'arm', variant: 'v7' };
  const config = imageConfig({ platform, config: { Cmd: ['/x'] }, now: NOW, layers: [LAYER], history: [] });
  assert.deepEqual(config, {
    ...platform,
    created: NOW,
    config: { Cmd: ['/x'] },
    rootfs: { type: 'layers', diff_ids: [LAYER.diffId] },
    history: [],
  });
});

test('what the base says of itself, known or not, is kept, but for what the stage says', () => {
  const base: ImageConfig & Record<string, unknown> = {
    architecture: 'arm64',
    os: 'linux',
    variant: 'v8',
    'os.version': '1',
    author: 'them',
    created: '2001-01-01T00:00:00Z',
    config: { Env: ['A=1'] },
    rootfs: { type: 'layers', diff_ids: [] },
    'x.custom': { kept: true },
  };
  const parts = { base, platform: AMD64, config: { Env: ['B=2'] }, now: NOW, layers: [LAYER], history: [] };
  const { architecture, variant, author, config, rootfs, ...rest } = imageConfig(parts);
  assert.deepEqual([architecture, variant, author, config], ['arm64', 'v8', 'them', { Env: ['B=2'] }]);
  assert.deepEqual(rootfs.diff_ids, [LAYER.diffId]);
  assert.deepEqual(rest, { os: 'linux', 'os.version': '1', created: NOW, 'x.custom': { kept: true }, history: [] });
  assert.equal(imageConfig({ ...parts, author: 'me' }).author, 'me');
});

function step(name: string, created?: string): HistoryEntry {
  return historyEntry(name, created === undefined ? undefined : { created });
}

suite('an entry of the history', () => {
  test("has BuildKit's words", () => {
    assert.deepEqual(historyEntry('RUN x', { created: NOW }, 'me'), {
      created: NOW,
      author: 'me',
      created_by: 'RUN x',
      comment: 'buildkit.dockerfile.v0',
    });
    assert.deepEqual(historyEntry('CMD x', undefined), {
      created_by: 'CMD x',
      comment: 'buildkit.dockerfile.v0',
      empty_layer: true,
    });
  });

  test('without a layer has the time of the layer before it, or of the first new one', () => {
    const times = (...history: HistoryEntry[]): (string | undefined)[] =>
      imageConfig({ platform: AMD64, config: {}, now: NOW, layers: [], history }).history?.map(
        ({ created }) => created,
      ) ?? [];
    assert.deepEqual(times(step('a'), step('b')), [NOW, NOW]);
    assert.deepEqual(times(step('base', '1'), step('a'), step('new', '2'), step('b'), step('c', '3'), step('d')), [
      '1',
      '2',
      '2',
      '2',
      '3',
      '3',
    ]);
  });
});
