export interface Progress {
  readonly fraction: number;
  readonly message: string | undefined;
}

export interface ProgressLimits {
  readonly progressIntervalMs: number;
  readonly maxProgressMessageCharacters: number;
}

/**
 * Progress is a state, and not a queue: the latest is reported at once or after the interval, and states in between are
 * skipped. So a command that reports without end costs no more than one that reports now and then.
 */
export class PacedProgress {
  readonly #limits: ProgressLimits;
  readonly #tell: (progress: Progress) => void;
  #latest: Progress = { fraction: 0, message: undefined };
  #isTold = true;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: ProgressLimits, tell: (progress: Progress) => void) {
    this.#limits = limits;
    this.#tell = tell;
  }

  get latest(): Progress {
    return this.#latest;
  }

  report({ fraction, message }: Progress): void {
    const { maxProgressMessageCharacters: most } = this.#limits;
    const short = message === undefined || message.length <= most ? message : `${message.slice(0, most)}…`;
    this.#latest = { fraction: Math.min(1, Math.max(0, fraction)), message: short };
    this.#isTold = false;
    if (this.#timer === undefined) this.#next();
  }

  /** The last state is reported before the end. */
  end(): void {
    clearTimeout(this.#timer);
    if (!this.#isTold) this.#tell(this.#latest);
    this.#isTold = true;
  }

  #next(): void {
    this.#timer = undefined;
    if (this.#isTold) return;
    this.#isTold = true;
    this.#tell(this.#latest);
    this.#timer = setTimeout(() => this.#next(), this.#limits.progressIntervalMs);
  }
}
