import { readTraceparent, writeTraceparent } from "./traceparent.js";
import { activeTracing, type SpanEnd } from "./tracing.js";

/** Where a run stands in the trace of its caller, and its own span if there are any. */
export interface RunTrace {
  /** What its script gets as TRACEPARENT. */
  readonly traceparent: string | undefined;
  within<Result>(work: () => Result): Result;
  end(how: SpanEnd): void;
}

/** A run that has begun. Its id is made when somebody asks for it. */
export interface TracedRun {
  readonly id: string;
  readonly command: string;
  readonly identity: { readonly owner: string };
}

/** undefined when nobody traces: neither the caller nor this process. */
export function beginRunTrace(run: TracedRun, traceparent: string | undefined): RunTrace | undefined {
  const tracing = activeTracing();
  if (tracing !== undefined) {
    const facts = { "iscep.run.id": run.id, "iscep.owner": run.identity.owner };
    return tracing.beginRun(run.command, traceparent, facts);
  }
  // Only what was understood is passed to a script, because the text comes from a caller.
  const place = readTraceparent(traceparent);
  if (place === undefined) return undefined;
  return { traceparent: writeTraceparent(place), within: (work) => work(), end: () => {} };
}
