/** The clock of the logs, so that a test can pass several midnights in a moment. */
export interface Clock {
  now(): number;
  /** This does not keep the process alive. Returns a function that cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

/** The local day, `YYYY-MM-DD`. */
export function localDay(timeMs: number): string {
  const date = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/**
 * When the next local day begins. The calendar is asked, because days have 23 or 25 hours when the clocks change, and
 * some days begin at one o'clock.
 */
export function nextMidnightMs(timeMs: number): number {
  const date = new Date(timeMs);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + 1).getTime();
}
