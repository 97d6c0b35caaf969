/** What the calls of a session need from their carrier: a connection, or a client in the same process. */
import type { Dispatcher } from "../../dispatcher.js";
import type { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { ValueRoom } from "../../runs/run/value-room.js";
import type { OutputStreamHost } from "./output-stream.js";

export interface SessionCallsHost extends Pick<OutputStreamHost, "carrier"> {
  readonly dispatcher: Dispatcher;
  readonly limits: Limits;
  readonly source: string;
  /** The id of the one run that this caller starts, if it is known before. */
  readonly runId?: string | undefined;
  /** How large a value its caller can be sent. Default: as large as any door can carry. */
  readonly valueRoom?: (() => ValueRoom) | undefined;
  send(text: string): void;
  /** Asks for `flush` at the end of this turn of the event loop. */
  flushSoon(): void;
  /** False while its caller has so many answers to read that it gets no more. */
  mayAnswer(): boolean;
  /** Asks for `answerUntil` in a later turn of the event loop, when this session has its slice. */
  workLater(): void;
  violation(error: IscepError): void;
  /** The rest of the output of a call cannot be read, and its answer was sent before. */
  outputGone(call: number, error: IscepError): void;
  /** No call is in flight, and no output is on its way any more. */
  idle(): void;
}
