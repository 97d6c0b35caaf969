import type { Duplex } from "node:stream";

/** What a conversation needs from its socket, which may be TCP, TLS, a unix socket, or a pair in memory. */
export interface ByteStream extends Duplex {
  /** All bytes, including those that wait to be sent. */
  readonly bytesWritten: number;
}
