import type { Duplex } from "node:stream";
import type { Carrier } from "../session/version2-choices.js";

/**
 * What a conversation needs from its socket, which may be TCP, TLS, a unix socket, a link over a broker, or a pair in
 * memory.
 */
export interface ByteStream extends Duplex {
  /** All bytes, including those that wait to be sent. */
  readonly bytesWritten: number;
  /** What carries the stream, if it is no socket. Default: the kind of the socket. */
  readonly carrier?: Carrier;
  /**
   * What the proof of a token on this stream counts for: a text that both ends have from what they know themselves, and not
   * from each other. Without it, somebody between can lead the stream to another server that knows the token. Default:
   * nothing, or on TLS the connection itself.
   */
  readonly boundTo?: string;
}
