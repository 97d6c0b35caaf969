/** Keeps the connections that have shown no good token yet, by their source. */

export interface Stranger {
  readonly source: string;
  /** The connection must end, because its place goes to another one. */
  cut(reason: string): void;
}

export class Strangers {
  /** The map and its sets are in the order of arrival. */
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
   * Cuts the oldest connection of the source that has the most, to make a place for a connection of `key`. Returns
   * false when no source has more than `key` already: then the new one must go.
   */
  makeRoomFor(key: string): boolean {
    let [most, mostKey] = [this.of(key), key];
    for (const [source, { size }] of this.#bySource) if (size > most) [most, mostKey] = [size, source];
    if (mostKey === key) return false;
    const [oldest] = this.#bySource.get(mostKey) ?? [];
    if (oldest === undefined) return false;
    // Its end may be reported later, but its place is needed now.
    this.delete(mostKey, oldest);
    oldest.cut("it had shown no token, and its place was needed for another address");
    return true;
  }
}
