import { monitorEventLoopDelay, type IntervalHistogram } from "node:perf_hooks";

export interface EventLoopDelay {
  readonly p50Seconds: number;
  readonly p99Seconds: number;
  readonly maxSeconds: number;
}

/** Several readers may ask, so the window does not begin anew with each of them. */
const windowMs = 10_000;
const resolutionMs = 20;

/** Measures how late turns of the event loop come. It costs nothing before it is asked for the first time. */
export class EventLoopDelayMeter {
  #histogram: IntervalHistogram | undefined;
  #beganAtMs = 0;
  #last: EventLoopDelay | undefined;

  /** undefined when nothing was measured yet. */
  read(): EventLoopDelay | undefined {
    const nowMs = performance.now();
    if (this.#histogram === undefined) {
      this.#histogram = monitorEventLoopDelay({ resolution: resolutionMs });
      this.#histogram.enable();
      this.#beganAtMs = nowMs;
      return undefined;
    }
    if (nowMs - this.#beganAtMs >= windowMs && this.#histogram.count > 0) {
      this.#last = delayOf(this.#histogram);
      this.#histogram.reset();
      this.#beganAtMs = nowMs;
    }
    return this.#last ?? (this.#histogram.count > 0 ? delayOf(this.#histogram) : undefined);
  }

  close(): void {
    this.#histogram?.disable();
  }
}

/** The histogram has the time between two looks, in nanoseconds, which includes its own pause. */
function delayOf(histogram: IntervalHistogram): EventLoopDelay {
  const seconds = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - resolutionMs / 1_000);
  return {
    p50Seconds: seconds(histogram.percentile(50)),
    p99Seconds: seconds(histogram.percentile(99)),
    maxSeconds: seconds(histogram.max),
  };
}
