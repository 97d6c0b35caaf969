/** Which version a server speaks: HELLO asks, and a server of version 1 answers with an ERROR on the same connection. */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { IscepError, toIscepError } from "../errors.js";
import type { Limits } from "../limits.js";
import { nonceBytes } from "../session/proof.js";
import { readError } from "../session/version1-client.js";
import { decodeServerHello, encodeClientHello, type ServerHello } from "../session/version2-hello.js";
import { packageVersion } from "../version.js";
import { decodeContent } from "../wire/version1.js";
import { hashBytes, headerBytes, PacketReader, PacketType } from "../wire/packet.js";

export type Negotiated =
  | { readonly version: 1 }
  | {
      readonly version: 2;
      readonly hello: ServerHello;
      /** Contents of both HELLO packets as they were sent, for the proof. */
      readonly clientHello: Buffer;
      readonly serverHello: Buffer;
    };

/** @throws IscepError `protocol`, `timeout`, `connect_failed` */
export function negotiate(socket: Socket, limits: Limits): Promise<Negotiated> {
  const nonce = randomBytes(nonceBytes).toString("base64url");
  const packet = encodeClientHello({ versions: [2], nonce, agent: `iscep/${packageVersion}` });
  const reader = new PacketReader(limits.maxUnauthenticatedPacketBytes);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      fail(new IscepError("timeout", `the server did not answer the greeting within ${limits.connectTimeoutMs} ms`));
    }, limits.connectTimeoutMs);
    const failed = (error: Error): void =>
      fail(new IscepError("connect_failed", `the connection broke: ${error.message}`, { cause: error }));
    const ended = (): void =>
      fail(new IscepError("connect_failed", "the server closed the connection at once; it may be full"));
    const received = (chunk: Buffer): void => {
      reader.receive(chunk);
      try {
        const answer = reader.next();
        if (answer === undefined) return;
        if (answer === null) throw new IscepError("protocol", "the server said that it is gone");
        if (answer.type === PacketType.ERROR) {
          // Over a limit, a server says so before it closes; any other ERROR means that it does not know HELLO.
          const refusal = readError(decodeContent(answer, limits));
          if (refusal.code === "busy") throw refusal;
          done();
          resolve({ version: 1 });
        } else if (answer.type === PacketType.HELLO) {
          const hello = decodeServerHello(answer, limits);
          done();
          resolve({
            version: 2,
            hello,
            clientHello: packet.subarray(headerBytes, packet.length - hashBytes),
            serverHello: Buffer.from(answer.bytes.subarray(answer.start, answer.end)),
          });
        } else {
          throw new IscepError("protocol", `the server answered the greeting with packet type ${answer.type}`);
        }
      } catch (error) {
        fail(toIscepError(error, "protocol"));
      }
    };
    function done(): void {
      clearTimeout(timer);
      socket.off("data", received);
      socket.off("error", failed);
      socket.off("close", ended);
    }
    function fail(error: IscepError): void {
      done();
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    }
    socket.on("data", received);
    socket.once("error", failed);
    socket.once("close", ended);
    socket.write(packet);
  });
}
