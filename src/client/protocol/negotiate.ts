/**
 * Finds out which version a server speaks: HELLO asks, and a server of version 1 answers with an ERROR on the same
 * connection.
 */
import { TLSSocket } from "node:tls";
import { IscepError, toIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { newNonce } from "../../session/proof.js";
import { readError } from "../../session/version1-client.js";
import { checkChoices, offeredHashes, type Carrier } from "../../session/version2-choices.js";
import { alpnProtocol, decodeServerHello, encodeClientHello, type ServerHello } from "../../session/version2-hello.js";
import { outputGone } from "../../session/version2-server.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import { carrierOf } from "../../transport/channel-binding.js";
import { packageVersion } from "../../version.js";
import { decodeContent } from "../../wire/version1.js";
import type { PacketHash } from "../../wire/packet-hash.js";
import { hashBytes, headerBytes, PacketReader, PacketType, type PacketView } from "../../wire/packet.js";

interface Handover {
  /**
   * Ends the greeting, and returns the bytes that came after the answer. From here on the socket belongs to the caller.
   * @throws IscepError `connect_failed` when it broke meanwhile
   */
  release(): Buffer;
}

export interface Greeted extends Handover {
  readonly version: 2;
  readonly hello: ServerHello;
  /** The hash of all packets from here on. */
  readonly hash: PacketHash;
  /** The contents of both HELLO packets as they were sent, for the proof. */
  readonly clientHello: Buffer;
  readonly serverHello: Buffer;
}

export type Negotiated = ({ readonly version: 1 } & Handover) | Greeted;

export interface NegotiateOptions {
  readonly limits: Limits;
  readonly timeoutMs: number;
  /** The socket is a unix socket. Default: false. */
  readonly isUnix?: boolean;
  readonly signal?: AbortSignal | undefined;
}

type Answer =
  { readonly version: 1 } | { readonly hello: ServerHello; readonly hash: PacketHash; readonly serverHello: Buffer };

/** @throws IscepError `protocol`, `busy`, `timeout`, `cancelled`, `connect_failed`; then the socket is destroyed */
export function negotiate(socket: ByteStream, options: NegotiateOptions): Promise<Negotiated> {
  const { limits, timeoutMs, isUnix = false, signal } = options;
  const nonce = newNonce();
  const carrier = carrierOf(socket, isUnix);
  const hashes = offeredHashes(carrier);
  const agent = `iscep/${packageVersion}`;
  const packet = encodeClientHello({ versions: [2], nonce, agent, hashes, notifications: [outputGone] });
  const clientHello = packet.subarray(headerBytes, packet.length - hashBytes);
  const reader = new PacketReader(limits.maxUnauthenticatedPacketBytes);
  return new Promise((resolve, reject) => {
    let isAnswered = false;
    let fault: IscepError | undefined;
    const timer = setTimeout(() => fail(unanswered(timeoutMs)), timeoutMs);
    const failed = (error: Error): void =>
      fail(new IscepError("connect_failed", `the connection broke: ${error.message}`, { cause: error }));
    const ended = (): void => fail(closedAtGreeting());
    const aborted = (): void =>
      fail(new IscepError("cancelled", "connecting was cancelled", { cause: signal?.reason }));
    const received = (chunk: Buffer): void => {
      reader.receive(chunk);
      // Bytes after the answer wait for `release`.
      if (isAnswered) return;
      try {
        const next = reader.next();
        if (next === undefined) return;
        const answer = readAnswer(next, socket, carrier, limits);
        isAnswered = true;
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
        resolve("hello" in answer ? { version: 2, ...answer, clientHello, release } : { version: 1, release });
      } catch (error) {
        fail(toIscepError(error, "protocol"));
      }
    };
    function release(): Buffer {
      socket.off("data", received);
      socket.off("error", failed);
      socket.off("close", ended);
      if (fault !== undefined) throw fault;
      return reader.takeBytes();
    }
    function fail(error: IscepError): void {
      if (fault !== undefined) return;
      fault = error;
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      socket.destroy();
      reject(error);
    }
    socket.on("data", received);
    socket.on("error", failed);
    socket.on("close", ended);
    if (signal?.aborted === true) aborted();
    else if (socket.destroyed) ended();
    else {
      signal?.addEventListener("abort", aborted, { once: true });
      socket.write(packet);
    }
  });
}

/** @throws IscepError `protocol`, `busy` */
function readAnswer(packet: PacketView | null, socket: ByteStream, carrier: Carrier, limits: Limits): Answer {
  if (packet === null) throw new IscepError("protocol", "the server said that it is gone");
  if (packet.type === PacketType.HELLO) {
    const hello = decodeServerHello(packet, limits);
    return {
      hello,
      hash: checkChoices(hello, carrier),
      serverHello: Buffer.from(packet.bytes.subarray(packet.start, packet.end)),
    };
  }
  // A server may check the token before the type. HELLO has no token, so its answer is UNAUTHORIZED.
  if (packet.type !== PacketType.ERROR && packet.type !== PacketType.UNAUTHORIZED) {
    throw new IscepError("protocol", `the server answered the greeting with packet type ${packet.type}`);
  }
  // A server over a limit says so before it closes. Any other ERROR means that it does not know HELLO.
  const refusal = readError(decodeContent(packet, limits));
  if (refusal.code === "busy") throw refusal;
  if (socket instanceof TLSSocket && socket.alpnProtocol === alpnProtocol) {
    throw new IscepError(
      "protocol",
      "the server chose version 2 in the TLS handshake, and then answered as a server of version 1 does; its token was not sent",
    );
  }
  return { version: 1 };
}

function unanswered(timeoutMs: number): IscepError {
  return new IscepError(
    "timeout",
    `the server did not answer the greeting within ${timeoutMs} ms; one of version 1 that cannot take it may be called with protocol: 1 (--protocol 1)`,
  );
}

/** The possible reasons, the most likely first. A server that hangs up cannot say why. */
function closedAtGreeting(): IscepError {
  return new IscepError(
    "connect_failed",
    "the server closed the connection at the greeting. Perhaps it is full, expects TLS (an address that begins with iscep://), " +
      "is no iscep server, or is one of version 1 that cannot take the greeting (protocol: 1, --protocol 1, sends none)",
  );
}
