/** How a session reaches its caller: in packets on a socket, or without bytes in the same process. */
import type { LentPiece, OutputPiece } from "../../runs/streams/output-block.js";
import type { TurnTaker } from "./output-turns.js";

/** What carries output to its reader. */
export interface OutputCarrier {
  /** False while enough bytes already wait for the caller. */
  maySendOutput(): boolean;
  /**
   * @param stream the id of the call
   * @param piece has the run's own bytes, which must not be changed
   */
  sendOutput(stream: number, piece: OutputPiece | LentPiece): void;
  /** What is sent until `uncork` leaves together. */
  cork(): void;
  uncork(): void;
  /** Gives the stream its turn at the end of this turn of the event loop. */
  pumpSoon(stream: TurnTaker): void;
}

export interface SessionWriter extends OutputCarrier {
  /** @param text one message, as JSON. Those of one turn of the event loop leave together */
  send(text: string): void;
  /** False while the caller has so many answers to read that it gets no more. */
  mayAnswer(): boolean;
}
