import type { StartOptions } from "../../runs/run/start-options.js";
import { RunTerminal } from "../../runs/streams/terminal.js";
import type { CallParams } from "../../session/version2-messages.js";

/** What the dispatcher is told of a call, apart from how its output is read. */
export function callOptionsOf(call: CallParams, source: string): StartOptions {
  const { timeoutMs, idempotencyKey, traceparent, wait, detach, stdin, terminal, output } = call;
  return {
    source,
    timeoutMs,
    idempotencyKey,
    traceparent,
    wait,
    detached: detach === true,
    stdin: stdin === true,
    terminal: terminal === undefined ? undefined : new RunTerminal(terminal),
    kept: output !== undefined || detach === true,
  };
}
