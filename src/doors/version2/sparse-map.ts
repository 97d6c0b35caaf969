/** A map that most connections never fill. It costs nothing until then: 10,000 idle connections have many of them. */

const nothing: readonly never[] = [];

export class SparseMap<Key, Value> {
  #map: Map<Key, Value> | undefined;

  get size(): number {
    return this.#map?.size ?? 0;
  }

  has(key: Key): boolean {
    return this.#map?.has(key) ?? false;
  }

  get(key: Key): Value | undefined {
    return this.#map?.get(key);
  }

  set(key: Key, value: Value): void {
    (this.#map ??= new Map()).set(key, value);
  }

  delete(key: Key): boolean {
    return this.#map?.delete(key) ?? false;
  }

  keys(): Iterable<Key> {
    return this.#map?.keys() ?? nothing;
  }

  values(): Iterable<Value> {
    return this.#map?.values() ?? nothing;
  }

  [Symbol.iterator](): Iterator<[Key, Value]> {
    return (this.#map ?? new Map<Key, Value>())[Symbol.iterator]();
  }

  clear(): void {
    this.#map = undefined;
  }
}
