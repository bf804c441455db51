import type { ByteString } from '../byteString.ts';
import { invalidTar } from './invalidTar.ts';
import type { TarLimits } from './limits.ts';
import type { PaxRecords } from './pax.ts';
import { NO_RECORDS } from './pax.ts';

/** What extended headers say about the entries after them: global records for all, the rest for the next one only. */
export class PaxScope {
  readonly limits: TarLimits;
  local: PaxRecords | undefined;
  longName: ByteString | undefined;
  longLink: ByteString | undefined;
  #global: PaxRecords = NO_RECORDS;

  constructor(limits: TarLimits) {
    this.limits = limits;
  }

  /** True while something waits for its entry. */
  get pending(): boolean {
    return this.local !== undefined || this.longName !== undefined || this.longLink !== undefined;
  }

  /** The records that hold for the next entry; an empty value in a local one hides a global one. */
  records(): PaxRecords {
    if (this.#global.size === 0) return this.local ?? NO_RECORDS;
    return new Map([...this.#global, ...(this.local ?? NO_RECORDS)]);
  }

  /** Later global records replace earlier ones of the same keyword. @throws BuildError `TAR_INVALID` if they grow too large */
  addGlobal(records: PaxRecords): void {
    this.#global = new Map([...this.#global, ...records]);
    let bytes = 0;
    for (const [key, value] of this.#global) bytes += key.length + value.length;
    if (bytes > this.limits.metadataBytes) throw invalidTar(`global PAX records of ${bytes} bytes together`);
  }

  clearLocal(): void {
    this.local = undefined;
    this.longName = undefined;
    this.longLink = undefined;
  }
}
