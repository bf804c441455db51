import type { ByteString } from '../byteString.ts';
import type { TreePath } from './tree.ts';

export const ROOT_PATH = '' as TreePath;

/** Cleans a path lexically: no empty, `.` or `..` components; `..` never leaves the root. */
export function cleanTreePath(path: string): TreePath {
  const kept: string[] = [];
  for (const component of path.split('/')) {
    if (component === '' || component === '.') continue;
    if (component === '..') kept.pop();
    else kept.push(component);
  }
  return kept.join('/') as TreePath;
}

export function joinTreePath(directory: TreePath, name: string): TreePath {
  return (directory === '' ? name : `${directory}/${name}`) as TreePath;
}

/** The directory of a path; the root's is the root. */
export function parentOf(path: TreePath): TreePath {
  const slash = path.lastIndexOf('/');
  return (slash < 0 ? '' : path.slice(0, slash)) as TreePath;
}

/** The last component; '' for the root. */
export function baseName(path: TreePath): ByteString {
  return path.slice(path.lastIndexOf('/') + 1) as ByteString;
}

export function componentsOf(path: string): ByteString[] {
  return path.split('/').filter((component) => component !== '') as ByteString[];
}

/** Every directory above a path, outermost first, the root left out. */
export function ancestorsOf(path: TreePath): TreePath[] {
  const ancestors: TreePath[] = [];
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    ancestors.push(path.slice(0, slash) as TreePath);
  }
  return ancestors;
}

/** Orders paths so that parents come before children and siblings are in byte order: `/` sorts before every other byte. */
export function compareTreePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left === right) continue;
    if (left === SLASH) return -1;
    if (right === SLASH) return 1;
    return left - right;
  }
  return a.length - b.length;
}

const SLASH = 47;
