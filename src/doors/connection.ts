/** What the doors of both versions have in common. */
import type { Dispatcher } from "../dispatcher.js";
import type { Authenticator } from "../model/identity.js";
import type { ClientHello } from "../session/version2-hello.js";
import type { Limits } from "../limits/limits.js";
import type { Logs } from "../model/logs.js";
import type { ByteStream } from "../transport/byte-stream.js";
import type { FairWork } from "./fair-work.js";
import type { UnsentBytes } from "./write-window.js";

/** What a server does with its connections, in either version. */
export interface Connection {
  readonly id: number;
  readonly source: string;
  /** Called when the server closes: no new requests are accepted, and runs that go on are still answered. */
  close(): void;
  /** Ends at once, without a packet to the peer. */
  cut(reason: string): void;
  whenClosed(): Promise<void>;
  /** Called by the server's sweep, so that 10,000 connections need one timer. */
  checkDeadlines(nowMs: number): void;
}

/** What all ways into a server share. */
export interface DoorHost {
  readonly dispatcher: Dispatcher;
  /** undefined on a server without tokens, where everybody is anonymous. */
  readonly authenticator: Authenticator | undefined;
  readonly limits: Limits;
  readonly logs: Logs | undefined;
  /** Received bytes are handled through this. */
  readonly work: FairWork;
  /** All connections count what waits for their readers here. */
  readonly unsent: UnsentBytes;
  failedToken(source: string): void;
  /**
   * Lines are bounded for each source, because what a peer without a token can write to the log must not grow with what
   * it sends.
   */
  logRefusedPacket(event: "malformed" | "unauthorized", message: string, connection: number, source: string): void;
}

/** HELLO, and what came behind it. */
export interface Greeting {
  readonly bytes: Buffer;
  /** What its first packet says. */
  readonly hello: ClientHello;
}

/** What all connections of a server share. */
export interface ConnectionHost extends DoorHost {
  /** Clients may bind their proof to the server's certificate, if they can do no better (RFC 5929). */
  readonly endPointBinding: boolean;
  /** The connection has not shown a good token yet. */
  awaited(connection: Connection): void;
  /** The connection has shown a good token, or is gone. */
  arrived(connection: Connection): void;
  closed(connection: Connection): void;
}

/** What a connection needs whose first bytes say what is spoken on it. */
export interface GreetedConnectionHost extends ConnectionHost {
  /** True when a door takes connections that begin as HTTP does. */
  servesHttp(): boolean;
  /** The first bytes were those of version 2, which goes on with them on the same socket. */
  greeted(connection: Connection, socket: ByteStream, greeting: Greeting): void;
  /** The same for HTTP. */
  askedByHttp(connection: Connection, socket: ByteStream, bytes: Buffer): void;
}
