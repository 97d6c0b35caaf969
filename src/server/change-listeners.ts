/** Tells listeners that the commands have changed. Many changes in one turn of the event loop are reported once. */

export class ChangeListeners {
  readonly #listeners = new Set<() => void>();
  #isPending = false;

  /** Returns a function that ends the listening. */
  add(listener: () => void): () => void {
    // Each listener gets an object of its own, so that the same function may listen twice.
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  changed(): void {
    if (this.#isPending) return;
    this.#isPending = true;
    queueMicrotask(() => {
      this.#isPending = false;
      // A listener that throws is reported to its author, and the other listeners are called all the same.
      for (const listener of this.#listeners) queueMicrotask(listener);
    });
  }
}
