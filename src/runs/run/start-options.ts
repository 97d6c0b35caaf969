import type { RunTerminal } from "../streams/terminal.js";
import type { Run } from "./run.js";
import type { ValueRoom } from "./value-room.js";

/** What a door says of a call, beside the command and its arguments. */
export interface StartOptions {
  /** The caller's address, for the log. */
  readonly source: string;
  /** How long the caller wants to wait. If the command's own timeout is shorter, that one counts. */
  readonly timeoutMs?: number | undefined;
  /** The run's id, if the door has told it already. Default: a new one. */
  readonly runId?: string | undefined;
  /** A call with the key of an earlier one of the same owner joins that run. */
  readonly idempotencyKey?: string | undefined;
  /** The span of the caller (W3C Trace Context). */
  readonly traceparent?: string | undefined;
  /** False: the run is refused with `busy` when it cannot begin at once. Default: true. */
  readonly wait?: boolean | undefined;
  /** The run goes on when nobody holds it. */
  readonly detached?: boolean;
  /** The caller will send standard input: `run.input` is there from the start. */
  readonly stdin?: boolean;
  /** The caller's terminal. It counts for a script that has one. */
  readonly terminal?: RunTerminal | undefined;
  /** The outcome and the output are kept after its end, even if it ends at once. */
  readonly kept?: boolean;
  /** How large a value the caller's door can carry; undefined for what a packet of version 2 can. */
  readonly valueRoom?: ValueRoom | undefined;
  /**
   * Called before the command starts, because the command may write more in its first turn than is kept for later
   * readers.
   */
  readonly begins?: ((run: Run) => void) | undefined;
}
