/** What the doors have in common, whatever version they speak. */
import type { Dispatcher } from "../dispatcher.js";
import type { Authenticator } from "../model/identity.js";
import type { Limits } from "../limits/limits.js";
import type { Logs } from "../model/logs.js";
import type { ByteStream } from "../transport/byte-stream.js";
import type { FairWork } from "./fair-work.js";

/** What a server does with its connections, whatever they speak. */
export interface Connection {
  readonly id: number;
  readonly source: string;
  /** At the close of the server: no new requests; what is under way is answered. */
  close(): void;
  /** Ends at once, without a word to the peer. */
  cut(reason: string): void;
  whenClosed(): Promise<void>;
  /** Called by the server's sweep, so that 10,000 connections need one timer. */
  checkDeadlines(nowMs: number): void;
}

/** What all ways into a server share. */
export interface DoorHost {
  readonly dispatcher: Dispatcher;
  /** Undefined on a server without tokens: everybody is anonymous. */
  readonly authenticator: Authenticator | undefined;
  readonly limits: Limits;
  readonly logs: Logs | undefined;
  /** What has come is worked off through it. */
  readonly work: FairWork;
  failedToken(source: string): void;
  /** Bounded in lines a source: what a peer without a token can write to the log must not grow with what it sends. */
  logRefusedPacket(event: "malformed" | "unauthorized", message: string, connection: number, source: string): void;
}

/** What all connections of a server share. */
export interface ConnectionHost extends DoorHost {
  /** It has yet to show a good token. */
  awaited(connection: Connection): void;
  /** It has shown one, or is gone. */
  arrived(connection: Connection): void;
  closed(connection: Connection): void;
  /** The first packet was HELLO: version 2 goes on with these bytes, on the same socket. */
  upgraded(connection: Connection, socket: ByteStream, bytes: Buffer): void;
}
