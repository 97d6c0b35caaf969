export interface TurnTaker {
  takeTurn(): void;
}

/** The streams of one session that want to send at the end of this turn of the event loop. */
export class OutputTurns {
  #waiting: Set<TurnTaker> | undefined;

  add(stream: TurnTaker): void {
    (this.#waiting ??= new Set()).add(stream);
  }

  /** Gives each its turn. A stream that asks again meanwhile waits for the next time. */
  take(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    for (const stream of waiting) stream.takeTurn();
  }
}
