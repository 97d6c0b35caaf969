/**
 * Keeps the paths that running runs are making. Between the check of a path and its making, no other run for that path
 * may begin.
 */
export class NewPaths {
  readonly #taken = new Set<string>();

  /** Returns a function that gives the paths back. undefined when another run has one of them; then none is taken. */
  take(paths: readonly string[]): (() => void) | undefined {
    if (paths.some((path) => this.#taken.has(path))) return undefined;
    for (const path of paths) this.#taken.add(path);
    return () => {
      for (const path of paths) this.#taken.delete(path);
    };
  }
}
