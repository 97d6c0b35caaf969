/** Paths that runs under way are making: between the look at a path and the making of it another run must not begin. */
export class NewPaths {
  readonly #taken = new Set<string>();

  /** Returns how to give them back; undefined when another run has one of them, and then none is taken. */
  take(paths: readonly string[]): (() => void) | undefined {
    if (paths.some((path) => this.#taken.has(path))) return undefined;
    for (const path of paths) this.#taken.add(path);
    return () => {
      for (const path of paths) this.#taken.delete(path);
    };
  }
}
