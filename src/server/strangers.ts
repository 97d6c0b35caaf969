/** The connections that have shown no good token yet, by their source. */

export interface Stranger {
  readonly source: string;
  /** Its place goes to another one. */
  cut(reason: string): void;
}

export class Strangers {
  /** In both the order is that of arrival. */
  readonly #bySource = new Map<string, Set<Stranger>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  of(key: string): number {
    return this.#bySource.get(key)?.size ?? 0;
  }

  add(key: string, stranger: Stranger): void {
    const own = this.#bySource.get(key) ?? new Set<Stranger>();
    if (own.has(stranger)) return;
    this.#bySource.set(key, own.add(stranger));
    this.#count++;
  }

  delete(key: string, stranger: Stranger): void {
    const own = this.#bySource.get(key);
    if (own?.delete(stranger) !== true) return;
    this.#count--;
    if (own.size === 0) this.#bySource.delete(key);
  }

  /**
   * Cuts the oldest one of the source that has the most, so that there is a place for one of `key`. False where no source
   * has more than that one already: then the new one has to go.
   */
  makeRoomFor(key: string): boolean {
    let [most, mostKey] = [this.of(key), key];
    for (const [source, { size }] of this.#bySource) if (size > most) [most, mostKey] = [size, source];
    if (mostKey === key) return false;
    const [oldest] = this.#bySource.get(mostKey) ?? [];
    if (oldest === undefined) return false;
    // Its end may be told later, and its place is needed now.
    this.delete(mostKey, oldest);
    oldest.cut("it had shown no token, and its place was needed for another address");
    return true;
  }
}
