/**
 * The keys that a person types, on their way to a run. As in ssh, `~.` at the beginning of a line leaves, and `~~` is
 * one `~`: without it, nobody could leave when the server does not answer.
 */
export class KeyQueue implements AsyncIterable<Uint8Array> {
  #waiting: Uint8Array[] = [];
  #isOver = false;
  #wake: (() => void) | undefined;
  #place: "line begins" | "tilde" | "within" = "line begins";
  readonly #leave: () => void;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  push(chunk: Uint8Array): void {
    if (this.#isOver) return;
    const keys: number[] = [];
    for (const key of chunk) {
      if (this.#place === "tilde" && key === dot) {
        this.#leave();
        return;
      }
      if (this.#place === "line begins" && key === tilde) {
        this.#place = "tilde";
        continue;
      }
      if (this.#place === "tilde" && key !== tilde) keys.push(tilde);
      this.#place = key === carriageReturn || key === lineFeed ? "line begins" : "within";
      keys.push(key);
    }
    if (keys.length === 0) return;
    this.#waiting.push(Buffer.from(keys));
    this.#wake?.();
  }

  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const keys = Buffer.concat(this.#waiting);
      this.#waiting = [];
      if (keys.length > 0) yield keys;
      else if (this.#isOver) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

const tilde = 0x7e;
const dot = 0x2e;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;
