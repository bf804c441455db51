/** A page is typed arrays of one length, side by side: the columns of a table. */
export type Page = Readonly<Record<string, Column>>;

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

const BITS = 14;
const PAGE_ROWS = 1 << BITS;
const FIRST_ROWS = 64;

/** A table that grows by pages, so that it never lies in memory twice; only the first page, small for small tables, is copied to grow. */
export class Pages<P extends Page> {
  readonly #make: (rows: number) => P;
  readonly #pages: P[] = [];
  #rows = 0;

  /** `make` gives a page of that many rows of zeros. */
  constructor(make: (rows: number) => P) {
    this.#make = make;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Adds a row of zeros; returns its number. */
  addRow(): number {
    const row = this.#rows++;
    const index = row >>> BITS;
    const page = this.#pages[index];
    if (page === undefined) this.#pages.push(this.#make(index === 0 ? FIRST_ROWS : PAGE_ROWS));
    else if (index === 0 && row === rowsOf(page)) this.#pages[0] = copyPage(page, this.#make(row * 2));
    return row;
  }

  /** The page that holds a row, at `rowInPage`. */
  pageOf(row: number): P {
    const page = this.#pages[row >>> BITS];
    if (page === undefined) throw new RangeError(`no row ${row}`);
    return page;
  }

  clone(): Pages<P> {
    const copy = new Pages(this.#make);
    copy.#rows = this.#rows;
    for (const page of this.#pages) copy.#pages.push(copyPage(page, this.#make(rowsOf(page))));
    return copy;
  }
}

export function rowInPage(row: number): number {
  return row & (PAGE_ROWS - 1);
}

function rowsOf(page: Page): number {
  for (const name in page) return page[name]?.length ?? 0;
  return 0;
}

function copyPage<P extends Page>(from: P, to: P): P {
  for (const name in from) to[name]?.set(from[name] ?? []);
  return to;
}
