const DIGEST_SIZE = 32;

/** sha256 digests of a layer's files by where the file starts in the tar, in 40 bytes a file. */
export class ContentDigests {
  #count = 0;
  #offsets = new Float64Array(16);
  #digests = Buffer.alloc(16 * DIGEST_SIZE);

  /** Offsets have to come in ascending order, as an archive has them. */
  append(offset: number, digest: Uint8Array): void {
    if (this.#count === this.#offsets.length) this.#grow();
    this.#offsets[this.#count] = offset;
    this.#digests.set(digest, this.#count * DIGEST_SIZE);
    this.#count++;
  }

  /** In hexadecimal; undefined if no file starts there. */
  find(offset: number): string | undefined {
    let [low, high] = [0, this.#count];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#offsets[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    if (low === this.#count || this.#offsets[low] !== offset) return undefined;
    return this.#digests.toString('hex', low * DIGEST_SIZE, (low + 1) * DIGEST_SIZE);
  }

  #grow(): void {
    const offsets = new Float64Array(this.#offsets.length * 2);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
    const digests = Buffer.alloc(offsets.length * DIGEST_SIZE);
    digests.set(this.#digests);
    this.#digests = digests;
  }
}
