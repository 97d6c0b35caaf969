/** Who wants to know that the commands have changed. Many changes in one turn of the event loop are told once. */

export class ChangeListeners {
  readonly #listeners = new Set<() => void>();
  #isPending = false;

  /** Returns what ends the listening. */
  add(listener: () => void): () => void {
    // Of its own, so that the same function may listen twice.
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  changed(): void {
    if (this.#isPending) return;
    this.#isPending = true;
    queueMicrotask(() => {
      this.#isPending = false;
      // A listener that throws is its author's to hear of, and nobody else's.
      for (const listener of this.#listeners) queueMicrotask(listener);
    });
  }
}
