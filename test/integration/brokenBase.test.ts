/**
 * Bases whose first layer has git as a file of several names and whose second one puts a symlink to another of the names in the place of
 * one: whatever name stands for the file in the tar, git works on top, and so does writing through what is left.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gitHardlinkBase } from '../bases/bases.ts';
import type { GitHardlinks } from '../bases/gitHardlinks.ts';
import { readLayout } from './layoutImage.ts';
import { layoutOf, NO_TEST_REGISTRY, testRegistry } from './testRegistry.ts';
import { workbench } from './workbench.ts';

const CASES: readonly GitHardlinks[] = [
  { first: 'usr/bin/git', replaced: 'usr/bin/git' },
  { first: 'usr/lib/git-core/git-add', replaced: 'usr/bin/git' },
];

test(
  'git works where a link took the place of one of its names',
  { skip: process.getuid?.() === 0 ? (NO_TEST_REGISTRY ?? false) : 'needs root' },
  async (suite) => {
    const registry = await testRegistry(suite);
    for (const [index, names] of CASES.entries()) {
      await suite.test(`the file is ${names.first}, the link replaces ${names.replaced}`, async (t) => {
        const layout = layoutOf(t, await gitHardlinkBase(names));
        if (layout === undefined) return;
        const base = await registry.push(layout, `git:${index}`);
        const bench = workbench(t);
        const built = await bench.build({
          Dockerfile: [
            `FROM ${base}`,
            `RUN test -L /${names.replaced} && test -f /usr/lib/git-core/git && ! test -L /usr/lib/git-core/git`,
            'RUN git --version > /version && git init -q /repository && git -C /repository status > /dev/null',
            'RUN /usr/lib/git-core/git-add -h > /help 2>&1; /usr/lib/git-core/git --version > /version2',
          ].join('\n'),
        });
        const image = readLayout(built.layout);
        assert.match(image.text(-2, 'version'), /^git version /);
        assert.match(image.text(-1, 'version2'), /^git version /);
        assert.match(image.text(-1, 'help'), /usage: git add/);
      });
    }
  },
);
