import { readTraceparent } from "./traceparent.js";
import { activeTracing, type SpanEnd } from "./tracing.js";

/** Where a run stands in the trace of its caller, and its own span if there are any. */
export interface RunTrace {
  /** What its script gets as TRACEPARENT. */
  readonly traceparent: string | undefined;
  within<Result>(work: () => Result): Result;
  end(how: SpanEnd): void;
}

/** undefined when nobody traces: neither the caller nor this process. @param facts made only for a span */
export function beginRunTrace(
  command: string,
  traceparent: string | undefined,
  facts: () => Readonly<Record<string, string>>,
): RunTrace | undefined {
  const tracing = activeTracing();
  if (tracing !== undefined) return tracing.beginRun(command, traceparent, facts());
  if (traceparent === undefined || readTraceparent(traceparent) === undefined) return undefined;
  return { traceparent, within: (work) => work(), end: () => {} };
}
