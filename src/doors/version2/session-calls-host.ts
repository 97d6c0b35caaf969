/** What the calls of a session need from their carrier: a connection, or a client in the same process. */
import type { IscepError } from "../../errors.js";
import type { ValueRoom } from "../../runs/run/value-room.js";
import type { DoorHost } from "../connection.js";
import type { SessionWriter } from "./session-writer.js";

export interface SessionCallsHost {
  readonly server: Pick<DoorHost, "dispatcher" | "limits">;
  readonly source: string;
  /** The id of the one run that this caller starts, if it is known before. */
  readonly runId?: string | undefined;
  /** How large a value its caller can be sent. Default: as large as any door can carry. */
  readonly valueRoom?: (() => ValueRoom) | undefined;
  readonly writer: SessionWriter;
  /** Asks for `answerUntil` in a later turn of the event loop, when this session has its slice. */
  workLater(): void;
  violation(error: IscepError): void;
  /** The rest of the output of a call cannot be read, and its answer was sent before. */
  outputGone(call: number, error: IscepError): void;
  /** No call is in flight, and no output is on its way any more. */
  idle(): void;
}
