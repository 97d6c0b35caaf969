/**
 * A limit on how much goes on at once, with a bounded queue behind it. What waits is served in the order in which it
 * came.
 */
export interface PlaceWaiter {
  /** A place has been taken for it. */
  start(): void;
  /** Its position in the queue, from 1. */
  moved(position: number): void;
}

export class Places {
  readonly #limit: number;
  readonly #maxWaiting: number;
  readonly #waiting = new Set<PlaceWaiter>();
  #taken = 0;

  constructor(limit: number, maxWaiting: number) {
    this.#limit = limit;
    this.#maxWaiting = maxWaiting;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes a place now, or not at all. */
  tryTake(): boolean {
    if (this.#taken >= this.#limit) return false;
    this.#taken++;
    return true;
  }

  /** False when the queue is full, which does not count for one that was let in before. */
  wait(waiter: PlaceWaiter, wasLetIn = false): boolean {
    if (!wasLetIn && this.#waiting.size >= this.#maxWaiting) return false;
    this.#waiting.add(waiter);
    return true;
  }

  /** Whoever no longer wants to wait. */
  leave(waiter: PlaceWaiter): boolean {
    return this.#waiting.delete(waiter);
  }

  tellPositions(): void {
    let position = 0;
    for (const waiter of this.#waiting) waiter.moved(++position);
  }

  /** Gives a place back; the one that has waited longest starts on it soon. */
  release(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken--;
    } else {
      this.#waiting.delete(next);
      // Not from here: one that ends at once would release from within, as deep as there are others who wait.
      setImmediate(() => next.start());
    }
  }
}
