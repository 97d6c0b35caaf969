/** What a run tells before its page knows what it is. It waits for that: a terminal is drawn in another way than lines. */

/** Much more than a page can get of a run in the moment that its record takes. */
const maxWaitingBytes = 4 * 2 ** 20;
/** The least that an event takes, however short it is. */
const eventBytes = 200;

export class EarlyEvents {
  readonly #maxBytes: number;
  #waiting: (() => void)[] | undefined = [];
  #bytes = 0;
  #resolve: () => void = () => {};
  readonly #released = new Promise<void>((resolve) => (this.#resolve = resolve));

  constructor(maxBytes = maxWaitingBytes) {
    this.#maxBytes = maxBytes;
  }

  /** @param bytes how much memory it takes as long as it waits */
  take(event: () => void, bytes = 0): void {
    if (this.#waiting === undefined) {
      event();
      return;
    }
    this.#waiting.push(event);
    this.#bytes += bytes + eventBytes;
  }

  /** While too much waits: resolves when more may come. */
  get hold(): Promise<void> | undefined {
    return this.#waiting !== undefined && this.#bytes > this.#maxBytes ? this.#released : undefined;
  }

  /** Nothing waits from now on. */
  release(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const event of waiting) event();
    this.#resolve();
  }
}
