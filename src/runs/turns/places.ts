/** A limit on how much goes on at once, with a bounded queue. The queue is served in the order in which it came. */
export interface PlaceWaiter {
  /** Called when it has got a place. */
  start(): void;
  /** The position in the queue, from 1. */
  moved(position: number): void;
}

export class Places {
  readonly #limit: number;
  readonly #maxWaiting: number;
  readonly #waiting = new Set<PlaceWaiter>();
  readonly #turned: () => void;
  #taken = 0;

  /** @param turned called when the last free place was taken, and when there is one again */
  constructor(limit: number, maxWaiting: number, turned: () => void = () => {}) {
    this.#limit = limit;
    this.#maxWaiting = maxWaiting;
    this.#turned = turned;
  }

  get isFull(): boolean {
    return this.#taken >= this.#limit;
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
    if (++this.#taken === this.#limit) this.#turned();
    return true;
  }

  /** Returns false when the queue is full. An entry that was let in before is never refused. */
  wait(waiter: PlaceWaiter, wasLetIn = false): boolean {
    if (!wasLetIn && this.#waiting.size >= this.#maxWaiting) return false;
    this.#waiting.add(waiter);
    return true;
  }

  /** Removes an entry that does not want to wait any more. */
  leave(waiter: PlaceWaiter): boolean {
    return this.#waiting.delete(waiter);
  }

  tellPositions(): void {
    let position = 0;
    for (const waiter of this.#waiting) waiter.moved(++position);
  }

  /** Gives a place back. The entry that has waited longest starts soon after. */
  release(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      if (this.#taken-- === this.#limit) this.#turned();
    } else {
      this.#waiting.delete(next);
      // The entry starts in a later turn. One that ends at once would call `release` from within this call, as deep as
      // there are others who wait.
      setImmediate(() => next.start());
    }
  }
}
