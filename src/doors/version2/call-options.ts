import type { Run } from "../../runs/run/run.js";
import type { StartOptions } from "../../runs/run/start-options.js";
import type { ValueRoom } from "../../runs/run/value-room.js";
import { RunTerminal } from "../../runs/streams/terminal.js";
import type { CallParams } from "../../session/version2-messages.js";

/** What the door itself decides for a call. */
export interface CallPlace {
  readonly source: string;
  readonly runId: string | undefined;
  readonly valueRoom: ValueRoom | undefined;
  readonly begins: ((run: Run) => void) | undefined;
}

/** What the dispatcher is told of a call. It is one literal, because a spread costs as much as the rest of a small call. */
export function callOptionsOf(call: CallParams, { source, runId, valueRoom, begins }: CallPlace): StartOptions {
  const { timeoutMs, idempotencyKey, traceparent, wait, detach, stdin, terminal, output } = call;
  return {
    source,
    timeoutMs,
    runId,
    idempotencyKey,
    traceparent,
    wait,
    detached: detach === true,
    stdin: stdin === true,
    terminal: terminal === undefined ? undefined : new RunTerminal(terminal),
    kept: output !== undefined || detach === true,
    valueRoom,
    begins,
  };
}
