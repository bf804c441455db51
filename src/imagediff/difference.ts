/** One property that two things don't share. Values are for people; undefined where a side has none. */
export interface FieldDifference {
  readonly field: string;
  readonly a: string | undefined;
  readonly b: string | undefined;
}

/** What differs at one path of two root file systems. */
export type PathDifference =
  | {
      readonly kind: 'only-in-a' | 'only-in-b';
      readonly path: string;
      readonly type: string;
      /** How many more entries lie below; they are not listed. */
      readonly below: number;
    }
  | { readonly kind: 'changed'; readonly path: string; readonly fields: readonly FieldDifference[] };
