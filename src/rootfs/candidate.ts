import type { Entry } from '../tree/entry.ts';
import type { TreePath } from '../tree/tree.ts';

/** Something that may have changed: what an upper directory or a walk over metadata finds. */
export type Candidate =
  | {
      readonly kind: 'present';
      readonly path: TreePath;
      readonly entry: Entry;
      /** Where it lies. */
      readonly disk: string | Buffer;
      /** Equal for exactly the names of one file. */
      readonly inode: string;
    }
  | { readonly kind: 'gone'; readonly path: TreePath };

export type PresentCandidate = Candidate & { readonly kind: 'present' };
