import { toText } from '../byteString.ts';
import { goMatch, PatternSyntaxError } from '../context/goMatch.ts';
import { BuildError } from '../errors.ts';
import type { Changes } from '../tree/change.ts';
import { cleanTreePath, componentsOf } from '../tree/path.ts';
import type { TreePath } from '../tree/tree.ts';

/** Changes but for those at or below the paths that `--ignore-path` names, whose components are patterns. @throws BuildError `FLAG_INVALID` */
export function withoutIgnored(changes: Changes, patterns: readonly string[]): Changes {
  if (patterns.length === 0) return changes;
  const split = patterns.map((pattern) => componentsOf(cleanTreePath(pattern)));
  return changes.filter(({ path }) => !split.some((pattern) => matches(pattern, path)));
}

function matches(pattern: readonly string[], path: TreePath): boolean {
  const names = componentsOf(path).map(toText);
  if (names.length < pattern.length) return false;
  try {
    return pattern.every((component, index) => goMatch(component, names[index] ?? ''));
  } catch (cause) {
    if (!(cause instanceof PatternSyntaxError)) throw cause;
    throw new BuildError('FLAG_INVALID', `--ignore-path=/${pattern.join('/')}: ${cause.message}`, { cause });
  }
}
