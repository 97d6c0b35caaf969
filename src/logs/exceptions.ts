import type { Writable } from "node:stream";
import type { Limits } from "../limits/limits.js";
import type { ErrorEvent } from "../model/logs.js";
import { suppressedText } from "./counted-refusals.js";
import { maskKnown } from "./known-secrets.js";
import { LineRate } from "./line-rate.js";
import { terminalText } from "./safe.js";

type ExceptionLimits = Pick<
  Limits,
  "malformedLogIntervalMs" | "maxLoggedSources" | "refusedCallLogBurst" | "maxLogFieldBytes" | "maxLogBufferBytes"
>;

/** Whether each stream still works. All servers of a process share its standard error, and so one listener. */
const usable = new WeakMap<Writable, boolean>();

function isUsable(stream: Writable): boolean {
  if (!usable.has(stream)) {
    usable.set(stream, true);
    stream.on("error", () => usable.set(stream, false));
  }
  return usable.get(stream) === true && !stream.destroyed;
}

/**
 * For a server without logs: tells what a command threw, with its stack, because the caller is only told that it failed.
 * After the first few, a command has one a second, and the others are counted. Nothing is written when nobody reads.
 */
export function tellExceptions(stream: Writable, limits: ExceptionLimits): (event: ErrorEvent) => void {
  const rate = new LineRate(limits, limits.refusedCallLogBurst);
  const max = limits.maxLogFieldBytes;
  return ({ command = "", runId = "", message, error }) => {
    if (!isUsable(stream) || stream.writableLength > limits.maxLogBufferBytes) return;
    const line = rate.take(command, performance.now());
    if (line === undefined) return;
    const stack = error instanceof Error && typeof error.stack === "string" ? error.stack : message;
    const lines = maskKnown(stack).split("\n");
    stream.write(
      `iscep: command ${terminalText(command, max)} failed in run ${runId}${suppressedText(line.suppressed)}:\n` +
        lines.map((text) => `    ${terminalText(text, max)}\n`).join(""),
    );
  };
}
