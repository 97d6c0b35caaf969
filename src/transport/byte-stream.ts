import type { Duplex } from "node:stream";

/** What a conversation needs of its socket: TCP, TLS, a unix socket, or a pair in memory. */
export interface ByteStream extends Duplex {
  /** Those that wait to be sent included. */
  readonly bytesWritten: number;
}
