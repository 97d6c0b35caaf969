import { TLSSocket } from "node:tls";
import type { ByteStream } from "./byte-stream.js";

export interface WrittenBytes {
  /** Changes when the system has taken more, and says nothing else: the bytes that are sent, less what is under way. */
  readonly sentBytes: number;
  /** What waits to be sent. */
  readonly unsentBytes: number;
}

/**
 * Node counts a write as waiting until all of it is sent, and one write may have megabytes. So a peer that reads slowly
 * would seem to read nothing. The handle knows how much of a write still waits, and Node's own timeouts of sockets ask it
 * (net.Socket, `writeQueueSize`). It has no public name. Where it is missing, a write counts when all of it is sent.
 */
export function writtenBytesOf(stream: ByteStream): WrittenBytes {
  const { bytesWritten, writableLength } = stream;
  // The handle of TLS gives all to the socket below at once, and only that one waits for the peer.
  const socket: unknown = stream instanceof TLSSocket ? memberOf(stream, "_parent") : stream;
  const queuedBytes = memberOf(memberOf(socket, "_handle"), "writeQueueSize");
  const underWay = typeof queuedBytes === "number" ? queuedBytes : 0;
  return { sentBytes: bytesWritten - writableLength - underWay, unsentBytes: writableLength };
}

function memberOf(from: unknown, name: string): unknown {
  return typeof from === "object" && from !== null ? Reflect.get(from, name) : undefined;
}
