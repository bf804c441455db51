import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fromText, type ByteString } from '../../byteString.ts';
import type { TarHeader } from '../../tar/header.ts';
import { applyTo, directory, file, hardlink, symlink, textOf, treeOf } from '../../tree/sampleTrees.ts';
import { WorkingTree } from '../../tree/workingTree.ts';
import { copyFiles, copyWithParents, type CopyRules } from './copyFiles.ts';
import { findSources } from './copySources.ts';

const NOW = { seconds: 1_700_000_000, nanoseconds: 0 };
const RULES: CopyRules = { now: NOW };

const SOURCE = treeOf([
  file('f', { size: 1, mode: 0o640, uid: 7, gid: 8 }),
  file('g', { size: 2 }),
  directory('dir', { mode: 0o700, uid: 3 }),
  file('dir/a', { size: 3 }),
  directory('dir/sub', { mode: 0o711 }),
  file('dir/sub/deep', { size: 4 }),
  symlink('dir/link', '../f'),
  hardlink('dir/zz', 'dir/a'),
  hardlink('other-name', 'dir/a'),
  directory('empty'),
  symlink('to-dir', 'dir'),
  symlink('to-f', 'f'),
  {
    ...file('capable'),
    xattrs: new Map([
      ['security.capability', 'x'],
      ['user.y', 'z'],
    ] as [ByteString, ByteString][]),
  },
]);

interface Case {
  readonly name: string;
  readonly sources: readonly string[];
  readonly to: string;
  readonly into?: readonly TarHeader[];
  readonly rules?: Partial<CopyRules>;
  /** The stage's tree afterwards, or what the error says. */
  readonly gives: readonly string[] | RegExp;
}

const CONTENTS = (at: string): string[] => [
  `${at}/a file 644 0:0 3`,
  `${at}/link -> ../f`,
  `${at}/sub directory 711 0:0`,
  `${at}/sub/deep file 644 0:0 4`,
  `${at}/zz = ${at}/a`,
];

const COPIES: readonly Case[] = [
  { name: 'a file to a name', sources: ['f'], to: '/x', gives: ['x file 640 7:8 1'] },
  {
    name: 'a file into a directory that a slash says is one',
    sources: ['f'],
    to: '/x/',
    gives: ['x directory 755 0:0', 'x/f file 640 7:8 1'],
  },
  {
    name: 'a file into a directory that is there',
    sources: ['f'],
    to: '/x',
    into: [directory('x', { mode: 0o700 })],
    gives: ['x directory 700 0:0', 'x/f file 640 7:8 1'],
  },
  {
    name: 'a file below directories that are made',
    sources: ['f'],
    to: '/a/b/c',
    gives: ['a directory 755 0:0', 'a/b directory 755 0:0', 'a/b/c file 640 7:8 1'],
  },
  {
    name: 'a file over a file',
    sources: ['f'],
    to: '/x',
    into: [file('x', { size: 99 })],
    gives: ['x file 640 7:8 1'],
  },
  {
    name: 'a link as what it leads to, under its own name',
    sources: ['to-f'],
    to: '/',
    gives: ['to-f file 640 7:8 1'],
  },
  {
    name: 'several files into a directory',
    sources: ['f', 'g'],
    to: '/x/',
    gives: ['x directory 755 0:0', 'x/f file 640 7:8 1', 'x/g file 644 0:0 2'],
  },
  {
    name: "a directory's contents, with its attributes if it is made",
    sources: ['dir'],
    to: '/x',
    gives: ['x directory 700 3:0', ...CONTENTS('x')],
  },
  {
    name: "a directory's contents into one that is there, which stays as it is",
    sources: ['dir'],
    to: '/x',
    into: [directory('x', { mode: 0o1777 }), file('x/old')],
    gives: ['x directory 1777 0:0', ...CONTENTS('x').slice(0, 2), 'x/old file 644 0:0 0', ...CONTENTS('x').slice(2)],
  },
  {
    name: 'attributes of directories further down, which do change',
    sources: ['dir'],
    to: '/x',
    into: [directory('x'), directory('x/sub', { mode: 0o777, uid: 9 }), file('x/sub/old')],
    gives: ['x directory 755 0:0', ...CONTENTS('x').slice(0, 4), 'x/sub/old file 644 0:0 0', ...CONTENTS('x').slice(4)],
  },
  {
    name: 'a link to a directory as its contents',
    sources: ['to-dir'],
    to: '/x/',
    gives: ['x directory 755 0:0', ...CONTENTS('x')],
  },
  { name: 'an empty directory', sources: ['empty'], to: '/x', gives: ['x directory 755 0:0'] },
  {
    name: 'to the root',
    sources: ['dir'],
    to: '/',
    gives: CONTENTS('').map((line) => line.replaceAll(/(^| )\//g, '$1')),
  },
  {
    name: 'through links of the destination, which stay inside',
    sources: ['f'],
    to: '/l/x/',
    into: [directory('real'), symlink('l', '/real'), symlink('real/x', '../../../deep')],
    gives: [
      'deep directory 755 0:0',
      'deep/f file 640 7:8 1',
      'l -> /real',
      'real directory 755 0:0',
      'real/x -> ../../../deep',
    ],
  },
  {
    name: 'to a link, whose target is written',
    sources: ['f'],
    to: '/l',
    into: [file('x', { size: 9 }), symlink('l', 'x')],
    gives: ['l -> x', 'x file 640 7:8 1'],
  },
  {
    name: 'to a link that leads to nothing: its target is made',
    sources: ['f'],
    to: '/l',
    into: [symlink('l', 'd/x')],
    gives: ['d directory 755 0:0', 'd/x file 640 7:8 1', 'l -> d/x'],
  },
  {
    name: 'a directory to a link to a directory',
    sources: ['empty'],
    to: '/l',
    into: [directory('d', { mode: 0o700 }), symlink('l', 'd')],
    gives: ['d directory 700 0:0', 'l -> d'],
  },
  {
    name: 'links inside a directory over files',
    sources: ['dir'],
    to: '/x',
    into: [file('x/link', { size: 9 })],
    gives: ['x directory 755 0:0', ...CONTENTS('x')],
  },
  {
    name: 'two names of a file, copied by themselves, as two files',
    sources: ['dir/a', 'other-name'],
    to: '/',
    gives: ['a file 644 0:0 3', 'other-name file 644 0:0 3'],
  },
  {
    name: 'with another owner, for what is made on the way too',
    sources: ['dir/sub'],
    to: '/n/x',
    rules: { owner: { uid: 5, gid: 6 } },
    gives: ['n directory 755 5:6', 'n/x directory 711 5:6', 'n/x/deep file 644 5:6 4'],
  },
  {
    name: 'with another mode, for what is made on the way too',
    sources: ['dir'],
    to: '/n/x',
    rules: { chmod: () => 0o751 },
    gives: [
      'n directory 751 0:0',
      'n/x directory 751 3:0',
      'n/x/a file 751 0:0 3',
      'n/x/link -> ../f',
      'n/x/sub directory 751 0:0',
      'n/x/sub/deep file 751 0:0 4',
      'n/x/zz = n/x/a',
    ],
  },
  {
    name: 'without what is left out',
    sources: ['dir'],
    to: '/x',
    rules: { excludes: (path) => path === 'sub' || path === 'zz' },
    gives: ['x directory 700 3:0', 'x/a file 644 0:0 3', 'x/link -> ../f'],
  },
  {
    name: 'a file over a directory is an error',
    sources: ['dir'],
    to: '/x',
    into: [directory('x/a')],
    gives: /cannot replace directory a with a file/,
  },
  {
    name: 'a link over a directory is an error',
    sources: ['dir'],
    to: '/x',
    into: [directory('x/link')],
    gives: /cannot replace directory link with a file/,
  },
  {
    name: 'a directory over a file is an error',
    sources: ['dir'],
    to: '/x',
    into: [file('x/sub')],
    gives: /cannot copy to non-directory/,
  },
  {
    name: 'a directory over a link is an error, even if that leads to a directory',
    sources: ['dir'],
    to: '/x',
    into: [directory('y'), symlink('x/sub', '../y')],
    gives: /cannot copy to non-directory/,
  },
  {
    name: 'a directory to a file is an error',
    sources: ['dir'],
    to: '/x',
    into: [file('x')],
    gives: /cannot copy to non-directory: \/x/,
  },
  {
    name: 'below a file is an error',
    sources: ['f'],
    to: '/x/y',
    into: [file('x')],
    gives: /cannot copy to non-directory: \/x/,
  },
];

suite('COPY copies as BuildKit does:', () => {
  for (const { name, sources, to, into = [], rules = {}, gives } of COPIES) {
    test(name, () => {
      const destination = new WorkingTree(treeOf(into));
      const copy = (): void => {
        for (const source of sources)
          copyFiles(SOURCE, findSources(SOURCE, source), destination, to, { ...RULES, ...rules });
      };
      if (gives instanceof RegExp) assert.throws(copy, { code: 'COPY_TYPE_CONFLICT', message: gives });
      else {
        copy();
        const after = treeOf(into);
        applyTo(after, destination.changes());
        assert.deepEqual(textOf(after), gives);
      }
    });
  }
});

suite('COPY --parents keeps the directories', () => {
  const table: readonly (readonly [name: string, source: string, dropped: number, gives: readonly string[]])[] = [
    [
      'of a file',
      'dir/sub/deep',
      0,
      [
        'p directory 755 0:0',
        'p/dir directory 700 3:0',
        'p/dir/sub directory 711 0:0',
        'p/dir/sub/deep file 644 0:0 4',
      ],
    ],
    [
      'after the pivot',
      'dir/sub/deep',
      1,
      ['p directory 755 0:0', 'p/sub directory 711 0:0', 'p/sub/deep file 644 0:0 4'],
    ],
    [
      'of a directory',
      'dir/sub',
      0,
      [
        'p directory 755 0:0',
        'p/dir directory 700 3:0',
        'p/dir/sub directory 711 0:0',
        'p/dir/sub/deep file 644 0:0 4',
      ],
    ],
    ['of a directory that is the pivot: its contents', 'dir/sub', 2, ['p directory 755 0:0', 'p/deep file 644 0:0 4']],
  ];
  for (const [name, source, dropped, gives] of table) {
    test(name, () => {
      const destination = new WorkingTree(treeOf());
      copyWithParents(SOURCE, findSources(SOURCE, source), dropped, destination, '/p/', RULES);
      const after = treeOf();
      applyTo(after, destination.changes());
      assert.deepEqual(textOf(after), gives);
    });
  }
});

test('of extended attributes, capabilities go along', () => {
  const destination = new WorkingTree(treeOf());
  copyFiles(SOURCE, findSources(SOURCE, 'capable'), destination, '/', RULES);
  const node = destination.child(destination.root, fromText('capable')) ?? -1;
  assert.deepEqual([...destination.entry(node).xattrs.keys()], ['security.capability']);
});

test('directories that are made on the way have the time of the build, copies their own', () => {
  const destination = new WorkingTree(treeOf());
  copyFiles(SOURCE, findSources(SOURCE, 'f'), destination, '/a/f', RULES);
  const times = destination.changes().map((change) => (change.kind === 'put' ? change.entry.mtime.seconds : -1));
  assert.deepEqual(times, [NOW.seconds, 0]);
});

test('the directory a copy goes into is part of the layer, even if nothing new is in it', () => {
  const destination = new WorkingTree(treeOf([directory('x', { mode: 0o700 })]));
  copyFiles(SOURCE, findSources(SOURCE, 'empty'), destination, '/x/', RULES);
  assert.deepEqual(
    destination.changes().map(({ kind, path }) => `${kind} ${path}`),
    ['put x'],
  );
});
