/** How many notices wait: all, and by the owner of their runs. */
export class WaitingCounts {
  #all = 0;
  readonly #byOwner = new Map<string, number>();

  get all(): number {
    return this.#all;
  }

  /**
   * An owner may have as many places as are free for others. So one caller whose runs fail takes at most half of them,
   * and the notice of a nightly backup still finds a place.
   */
  hasRoom(owner: string, maxQueuedNotices: number): boolean {
    return (this.#byOwner.get(owner) ?? 0) < maxQueuedNotices - this.#all;
  }

  add(owner: string): void {
    this.#all++;
    this.#byOwner.set(owner, (this.#byOwner.get(owner) ?? 0) + 1);
  }

  remove(owner: string): void {
    this.#all--;
    const left = (this.#byOwner.get(owner) ?? 0) - 1;
    if (left > 0) this.#byOwner.set(owner, left);
    else this.#byOwner.delete(owner);
  }
}
