import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { suite, test } from 'node:test';
import { fromText } from '../byteString.ts';
import { BuildError } from '../errors.ts';
import type { TarHeader } from '../tar/header.ts';
import { resolvePath } from './resolve.ts';
import { directory, file, hardlink, layerNamed, listingOf, symlink, textOf, treeOf } from './sampleTrees.ts';

interface Case {
  readonly name: string;
  readonly layers: readonly (readonly TarHeader[])[];
  readonly tree: readonly string[];
}

const BASE = [directory('d'), file('d/a', { size: 1 }), file('d/b', { size: 2 })];

const MERGED: readonly Case[] = [
  {
    name: 'a file replaces a file',
    layers: [[file('a', { size: 1 })], [file('a', { size: 2 })]],
    tree: ['a file 644 0:0 2'],
  },
  {
    name: 'a directory over a directory keeps what is in it and takes the new attributes',
    layers: [BASE, [directory('d', { mode: 0o700, uid: 7 })]],
    tree: ['d directory 700 7:0', 'd/a file 644 0:0 1', 'd/b file 644 0:0 2'],
  },
  {
    name: 'a file replaces a directory and all in it',
    layers: [BASE, [file('d')]],
    tree: ['d file 644 0:0 0'],
  },
  {
    name: 'a directory replaces a file',
    layers: [[file('d')], [directory('d'), file('d/x')]],
    tree: ['d directory 755 0:0', 'd/x file 644 0:0 0'],
  },
  {
    name: 'a directory that was a file in between starts empty',
    layers: [BASE, [file('d')], [directory('d')]],
    tree: ['d directory 755 0:0'],
  },
  { name: 'a link replaces a directory', layers: [BASE, [symlink('d', 'e')]], tree: ['d -> e'] },
  {
    name: 'a file replaces a link and is never written through it',
    layers: [[file('etc/mounts', { size: 1 }), symlink('etc/mtab', 'mounts')], [file('etc/mtab', { size: 2 })]],
    tree: ['etc directory 755 0:0', 'etc/mounts file 644 0:0 1', 'etc/mtab file 644 0:0 2'],
  },
  {
    name: 'a directory replaces a link to a directory',
    layers: [[directory('d'), file('d/a'), symlink('l', 'd')], [directory('l')]],
    tree: ['d directory 755 0:0', 'd/a file 644 0:0 0', 'l directory 755 0:0'],
  },
  {
    name: 'a whiteout removes a file of a lower layer',
    layers: [BASE, [file('d/.wh.a')]],
    tree: ['d directory 755 0:0', 'd/b file 644 0:0 2'],
  },
  { name: 'a whiteout removes a directory and all in it', layers: [BASE, [file('.wh.d')]], tree: [] },
  {
    name: 'a whiteout of nothing is nothing',
    layers: [BASE, [file('nowhere/.wh.x'), file('.wh.y')]],
    tree: ['d directory 755 0:0', 'd/a file 644 0:0 1', 'd/b file 644 0:0 2'],
  },
  {
    name: 'a whiteout before the entry of its name does not hide it',
    layers: [BASE, [file('d/.wh.a'), file('d/a', { size: 9 })]],
    tree: ['d directory 755 0:0', 'd/a file 644 0:0 9', 'd/b file 644 0:0 2'],
  },
  {
    name: 'a whiteout after the entry of its name does not hide it: it hides lower layers only',
    layers: [BASE, [file('d/a', { size: 9 }), file('d/.wh.a')]],
    tree: ['d directory 755 0:0', 'd/a file 644 0:0 9', 'd/b file 644 0:0 2'],
  },
  {
    name: 'a link whose whiteout comes later in the same archive stays',
    layers: [[symlink('l', 'old')], [symlink('l', 'new'), file('.wh.l')]],
    tree: ['l -> new'],
  },
  {
    name: 'a directory with its own whiteout starts empty',
    layers: [BASE, [directory('d'), file('d/new'), file('.wh.d')]],
    tree: ['d directory 755 0:0', 'd/new file 644 0:0 0'],
  },
  {
    name: 'an opaque directory hides what lower layers had in it, wherever the mark stands',
    layers: [BASE, [directory('d'), file('d/new'), file('d/.wh..wh..opq')]],
    tree: ['d directory 755 0:0', 'd/new file 644 0:0 0'],
  },
  {
    name: 'an opaque mark alone keeps the directory as it was below',
    layers: [[directory('d', { mode: 0o711 }), file('d/a')], [file('d/.wh..wh..opq')]],
    tree: ['d directory 711 0:0'],
  },
  {
    name: 'an opaque root hides everything below',
    layers: [BASE, [file('.wh..wh..opq'), file('x')]],
    tree: ['x file 644 0:0 0'],
  },
  {
    name: 'AUFS bookkeeping is no part of the file system',
    layers: [[file('.wh..wh.aufs'), directory('.wh..wh.plnk'), file('.wh..wh.plnk/1.2'), file('a')]],
    tree: ['a file 644 0:0 0'],
  },
  {
    name: 'names after .wh. that are no names remove nothing',
    layers: [BASE, [file('d/.wh.'), file('d/.wh..'), file('d/.wh...'), file('.wh...')]],
    tree: ['d directory 755 0:0', 'd/a file 644 0:0 1', 'd/b file 644 0:0 2'],
  },
  {
    name: 'a whiteout below a link removes what the link leads to',
    layers: [[...BASE, symlink('l', 'd')], [file('l/.wh.a')]],
    tree: ['d directory 755 0:0', 'd/b file 644 0:0 2', 'l -> d'],
  },
  {
    name: "parents that no layer describes are made 0755 and root's",
    layers: [[file('a/b/c', { uid: 5, gid: 6 })]],
    tree: ['a directory 755 0:0', 'a/b directory 755 0:0', 'a/b/c file 644 5:6 0'],
  },
  {
    name: 'a parent that is a file becomes a directory',
    layers: [[file('a')], [file('a/b')]],
    tree: ['a directory 755 0:0', 'a/b file 644 0:0 0'],
  },
  {
    name: 'a path through a link goes where the link leads',
    layers: [[directory('usr/lib'), symlink('lib', 'usr/lib')], [file('lib/x')]],
    tree: ['lib -> usr/lib', 'usr directory 755 0:0', 'usr/lib directory 755 0:0', 'usr/lib/x file 644 0:0 0'],
  },
  {
    name: 'a path through an absolute or climbing link stays inside',
    layers: [
      [symlink('abs', '/in'), symlink('up', '../../../in')],
      [file('abs/a'), file('up/b')],
    ],
    tree: ['abs -> /in', 'in directory 755 0:0', 'in/a file 644 0:0 0', 'in/b file 644 0:0 0', 'up -> ../../../in'],
  },
  {
    name: '`..`, `.` and absolute names never leave the root',
    layers: [[file('../../a'), file('/b'), file('./c'), file('d/../../e'), file('//f//g')]],
    tree: [
      'a file 644 0:0 0',
      'b file 644 0:0 0',
      'c file 644 0:0 0',
      'e file 644 0:0 0',
      'f directory 755 0:0',
      'f/g file 644 0:0 0',
    ],
  },
  {
    name: "a link that the same archive puts in a parent's place is followed from then on",
    layers: [
      [file('a/x'), directory('b')],
      [file('a/y'), symlink('a', 'b'), file('a/z')],
    ],
    tree: ['a -> b', 'b directory 755 0:0', 'b/z file 644 0:0 0'],
  },
  {
    name: 'a hardlink is another name of one file',
    layers: [[file('a', { size: 3 }), hardlink('b', 'a'), hardlink('c', './b')]],
    tree: ['a file 644 0:0 3', 'b = a', 'c = a'],
  },
  {
    name: 'a hardlink to a file of an earlier layer',
    layers: [[file('a', { size: 3 })], [hardlink('d/b', '/a')]],
    tree: ['a file 644 0:0 3', 'd directory 755 0:0', 'd/b = a'],
  },
  {
    name: 'a hardlink may come before its target',
    layers: [[hardlink('a', 'z'), file('z', { size: 3 })]],
    tree: ['a file 644 0:0 3', 'z = a'],
  },
  {
    name: 'a hardlink to a symlink is a second link',
    layers: [[symlink('l', 'x'), hardlink('m', 'l')]],
    tree: ['l -> x', 'm = l'],
  },
  {
    name: 'replacing one name of a file leaves its other names',
    layers: [[file('git', { size: 3 }), hardlink('git-add', 'git')], [symlink('git-add', 'git')]],
    tree: ['git file 644 0:0 3', 'git-add -> git'],
  },
  {
    name: 'a hardlink to itself changes nothing',
    layers: [[file('a', { size: 3 })], [hardlink('a', 'a')]],
    tree: ['a file 644 0:0 3'],
  },
  {
    name: 'the last of several entries of one name counts',
    layers: [[file('a', { size: 1 }), symlink('a', 'x'), file('a', { size: 3 })]],
    tree: ['a file 644 0:0 3'],
  },
  {
    name: 'names that are not UTF-8 are kept apart',
    layers: [[{ ...file(''), path: '\xe9' as TarHeader['path'] }, file('\u00e9')]],
    tree: ['\u00e9 file 644 0:0 0', '\ufffd file 644 0:0 0'],
  },
];

suite('layers merge as the OCI image specification says', () => {
  for (const { name, layers, tree } of MERGED) {
    test(name, () => assert.deepEqual(textOf(treeOf(...layers)), tree));
  }
});

suite('a layer that can mean no file system is refused', () => {
  const invalid: readonly (readonly [name: string, headers: readonly TarHeader[], message: RegExp])[] = [
    ['a hardlink whose target is nowhere', [hardlink('a', 'b')], /a is a hard link to b, which does not exist/],
    ['a hardlink to a directory', [directory('d'), hardlink('a', 'd')], /which is a directory/],
    ['a link in the place of the root', [symlink('.', '/etc')], /replaces the root directory by a symlink/],
    ['a file in the place of the root', [file('/')], /replaces the root directory by a file/],
    ['a circle of links on the way', [symlink('a', 'b'), symlink('b', 'a'), file('a/x')], /too many levels/],
  ];
  for (const [name, headers, message] of invalid) {
    test(name, () => {
      assert.throws(
        () => treeOf(headers),
        (error) => error instanceof BuildError && message.test(error.message),
      );
    });
  }
});

test('the root takes the attributes a layer gives it', () => {
  const tree = treeOf([directory('./', { mode: 0o1777, uid: 3 })]);
  const { mode, uid } = tree.entry(tree.root);
  assert.deepEqual({ mode, uid }, { mode: 0o1777, uid: 3 });
});

test('contents are found in the layer that holds them, also through a hardlink of a later one', () => {
  const tree = treeOf([directory('d'), file('d/a', { size: 9 })], [hardlink('b', 'd/a')]);
  const node = resolvePath(tree, 'b').node ?? -1;
  assert.deepEqual(tree.content(node), { kind: 'layer', layer: layerNamed(0), offset: 1024 });
});

test("a stage and the one it starts from do not see each other's files", () => {
  const below = treeOf(BASE);
  const copy = below.clone();
  copy.applyLayer(layerNamed(1), listingOf([file('d/.wh.a'), file('d/b', { size: 99 }), file('new')]));
  below.applyLayer(layerNamed(2), listingOf([file('other')]));
  assert.deepEqual(textOf(below), [
    'd directory 755 0:0',
    'd/a file 644 0:0 1',
    'd/b file 644 0:0 2',
    'other file 644 0:0 0',
  ]);
  assert.deepEqual(textOf(copy), ['d directory 755 0:0', 'd/b file 644 0:0 99', 'new file 644 0:0 0']);
  assert.deepEqual([below.layers.length, copy.layers.length], [2, 2]);
});

test('where entries go once links are followed is known before the layer is applied', () => {
  const tree = treeOf([directory('usr/lib'), symlink('lib', 'usr/lib')]);
  const listing = listingOf([
    file('lib/.wh.x'),
    file('lib/y'),
    hardlink('z', 'lib/later'),
    file('lib/later'),
    directory('.'),
  ]);
  assert.deepEqual(tree.placesOf(layerNamed(1), listing), [
    { path: 'usr/lib/.wh.x' },
    { path: 'usr/lib/y' },
    { path: 'z', target: 'usr/lib/later' },
    { path: 'usr/lib/later' },
    { path: '' },
  ]);
  assert.equal(resolvePath(tree, 'usr/lib/y').node, undefined);
});

test('many names in one directory, taken out and put in again, are all found', () => {
  const names = Array.from({ length: 50_000 }, (_, index) => `n${index}`);
  const tree = treeOf(
    names.map((name) => file(`d/${name}`)),
    names.filter((_, index) => index % 2 === 0).map((name) => file(`d/.wh.${name}`)),
    names.filter((_, index) => index % 4 === 0).map((name) => file(`d/${name}`, { size: 4 })),
  );
  const node = tree.child(tree.root, fromText('d')) ?? -1;
  assert.equal(tree.names(node).length, 37_500);
  for (const [index, name] of names.entries()) {
    const found = tree.child(node, fromText(name));
    assert.equal(
      found === undefined ? undefined : tree.entry(found).size,
      index % 2 === 1 ? 0 : index % 4 === 0 ? 4 : undefined,
    );
  }
});

test('a million files, with the listing they come from, fit in 250 MB', () => {
  const program = `
    const { LayerListing } = await import(${JSON.stringify(new URL('layerListing.ts', import.meta.url).href)});
    const { LayerTree } = await import(${JSON.stringify(new URL('layerTree.ts', import.meta.url).href)});
    const { directory, file, layerNamed } = await import(${JSON.stringify(new URL('sampleTrees.ts', import.meta.url).href)});
    const listing = LayerListing.empty();
    for (let index = 0; index < 1e6; index++) {
      const parent = Math.floor(index / 20);
      const path = 'usr/share/d' + (parent >> 8) + '/d' + parent;
      const mtime = { seconds: 1.7e9 + index, nanoseconds: 0 };
      const header = index % 20 === 0 ? directory(path, { mtime }) : file(path + '/some-file-name-' + index + '.js', { size: index, mtime });
      listing.append(header, index * 1024);
    }
    const tree = LayerTree.empty();
    tree.applyLayer(layerNamed(0), listing);
    console.log(process.resourceUsage().maxRSS * 1024);
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  assert.ok(Number(stdout) > 50e6 && Number(stdout) < 250e6, `${stdout}${stderr}`);
});
