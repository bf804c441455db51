import { toText } from '../byteString.ts';
import { BuildError, type SourceLocation } from '../errors.ts';
import { parentOf } from '../tree/path.ts';
import type { TreePath } from '../tree/tree.ts';
import { PatternSyntaxError } from './goMatch.ts';
import { cleanGoPath, compileGoPattern, type PathPredicate } from './goPattern.ts';
import { parseIgnoreFile, trimSpace } from './ignoreFile.ts';

/** Answers for a list of patterns of which the last that matches a path, or a directory above it, decides. */
export interface PatternMatcher {
  /** Whether the path is left out. The root never is. */
  excludes(path: TreePath): boolean;
  /** False only if everything below this directory is left out, so that nobody has to look. */
  mayContainException(directory: TreePath): boolean;
}

/**
 * The matcher for an ignore file's text.
 * @throws BuildError `IGNORE_PATTERN_INVALID` at the file's line
 */
export function compileIgnoreFile(text: string, file: string): PatternMatcher {
  const patterns = parseIgnoreFile(text);
  return compilePatterns(
    patterns.map(({ pattern }) => pattern),
    (index) => {
      const line = patterns[index]?.line ?? 1;
      return { file, startLine: line, endLine: line, excerpt: text.split('\n')[line - 1]?.trimEnd() ?? '' };
    },
  );
}

/**
 * Patterns with the meaning of moby/patternmatcher (`MatchesOrParentMatches`), as `.dockerignore` and `COPY --exclude` have
 * them. `locate` places an error by the pattern's index.
 * @throws BuildError `IGNORE_PATTERN_INVALID`
 */
export function compilePatterns(
  patterns: readonly string[],
  locate?: (index: number) => SourceLocation,
): PatternMatcher {
  const rules: Rule[] = [];
  for (const [index, pattern] of patterns.entries()) {
    try {
      const rule = compileRule(pattern);
      if (rule !== undefined) rules.push(rule);
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
      throw locate === undefined ? error : error.at(locate(index));
    }
  }
  // Paths are asked for directory by directory, so what matched above them is worked out once for many.
  let lastParent: string | undefined;
  let lastMatches = new Uint8Array();
  const matchesAbove = (parent: TreePath): Uint8Array => {
    if (parent !== lastParent) {
      lastMatches = matchesOf(rules, parent);
      lastParent = parent;
    }
    return lastMatches;
  };
  return {
    excludes(path) {
      if (path === '') return false;
      const above = matchesAbove(parentOf(path));
      const text = toText(path);
      const deciding = rules.findLast((rule, index) => above[index] === 1 || rule.matches(text));
      return deciding !== undefined && !deciding.exception;
    },
    mayContainException(directory) {
      const matches = matchesOf(rules, directory);
      const deciding = matches.lastIndexOf(1);
      if (deciding < 0 || rules[deciding]?.exception === true) return true;
      // What matched the directory so far matches everything below as well: only a later exception can change the answer.
      const components = toText(directory).split('/');
      return rules.slice(deciding + 1).some((rule) => rule.exception && canMatchBelow(rule.pattern, components));
    },
  };
}

interface Rule {
  readonly pattern: string;
  readonly exception: boolean;
  readonly matches: PathPredicate;
}

function compileRule(text: string): Rule | undefined {
  const trimmed = trimSpace(text);
  if (trimmed === '') return undefined;
  const cleaned = cleanGoPath(trimmed);
  const exception = cleaned.startsWith('!');
  const pattern = exception ? cleaned.slice(1) : cleaned;
  if (pattern === '') throw new BuildError('IGNORE_PATTERN_INVALID', 'illegal exclusion pattern: "!"');
  try {
    return { pattern, exception, matches: compileGoPattern(pattern) };
  } catch (error) {
    if (!(error instanceof PatternSyntaxError)) throw error;
    throw new BuildError('IGNORE_PATTERN_INVALID', `${error.message}: ${JSON.stringify(pattern)}`, {
      hint: 'A [ opens a class such as [a-z]; write \\[ for the character itself.',
    });
  }
}

/** For each rule, 1 if it matches the path or a directory above it. */
function matchesOf(rules: readonly Rule[], path: TreePath): Uint8Array<ArrayBuffer> {
  const matches = new Uint8Array(rules.length);
  if (path === '') return matches;
  const text = toText(path);
  for (let slash = text.indexOf('/'); ; slash = text.indexOf('/', slash + 1)) {
    const prefix = slash < 0 ? text : text.slice(0, slash);
    for (const [index, rule] of rules.entries()) {
      if (matches[index] === 0 && rule.matches(prefix)) matches[index] = 1;
    }
    if (slash < 0) return matches;
  }
}

/** Whether a pattern could match a path that lies below a directory; true where that is hard to tell. */
function canMatchBelow(pattern: string, directory: readonly string[]): boolean {
  const segments = pattern.split('/');
  for (const [index, component] of directory.entries()) {
    const segment = segments[index];
    if (segment === undefined) return false;
    // `**` reaches over slashes; classes, escapes and alternatives may.
    if (segment.includes('**') || /[[\]\\^{|]/.test(segment)) return true;
    if (!compileGoPattern(segment)(component)) return false;
  }
  return segments.length > directory.length;
}
