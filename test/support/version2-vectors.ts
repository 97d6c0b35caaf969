/** The worked example of version 2 (PROTOCOL.md, "Worked example of version 2"), made by the code with fixed nonces. */
import { JsonText } from "#iscep/wire/json-text";
import { readFileSync } from "node:fs";
import { outcomeText } from "#iscep/doors/version2/outcome-text";
import { Outbox } from "#iscep/session/outbox";
import { authenticationMessage, clientProof, packetKeys, serverProof, tokenReference } from "#iscep/session/proof";
import { callText, requestText } from "#iscep/session/version2-client";
import { encodeClientHello } from "#iscep/session/version2-hello";
import { errorText, notificationText, resultText, Version2ServerSession } from "#iscep/session/version2-server";
import { IscepError } from "#iscep/errors";
import { clientKey, secretOf, serverKey, storedKeyOf } from "#iscep/identity/tokens";
import { defaultLimits } from "#iscep/limits/limits";
import { longPacketSize, packetMac } from "#iscep/wire/packet-mac";
import { packetHashes, type PacketHash } from "#iscep/wire/packet-hash";
import { dataHeaderBytes, encodeDataPacket } from "#iscep/wire/version2";

export interface Version2Packet {
  readonly name: string;
  readonly from: "client" | "server";
  readonly type: number;
  /** The parsed content of every packet that is not DATA. */
  readonly content?: unknown;
  /** The content of a DATA packet. */
  readonly data?: {
    readonly stream: number;
    readonly channel: string;
    readonly offset: number;
    readonly bytes_utf8: string;
  };
  readonly hex: string;
}

export interface Version2Proof {
  readonly name: string;
  readonly channel_binding: string;
  readonly authentication_message: string;
  readonly client_proof: string;
  readonly server_proof: string;
}

/** A call, its output and its answer with another hash than SHA-256. */
export interface Version2HashVector {
  readonly hash: "none" | "crc32";
  readonly packets: readonly Version2Packet[];
}

/** The same over a bus: packets with a key. With `hmac-gmac` there are keys for long packets too. */
export interface Version2KeyVector {
  /** The subject of the instance, as hex. */
  readonly channel_binding: string;
  readonly client_packets: string;
  readonly server_packets: string;
  readonly client_long_packets?: string;
  readonly server_long_packets?: string;
  readonly packets: readonly Version2Packet[];
}

export interface Version2Vectors {
  readonly keyed: Version2KeyVector;
  /** The hash is `hmac-gmac`. */
  readonly keyed_gmac: Version2KeyVector;
  readonly hashes: readonly Version2HashVector[];
  readonly token: string;
  readonly secret: string;
  readonly client_key: string;
  readonly stored_key: string;
  readonly server_key: string;
  readonly reference: string;
  readonly proofs: readonly Version2Proof[];
  readonly packets: readonly Version2Packet[];
}

/** No token of anybody: the nonces count from 0 and from 32, the secret is the alphabet. */
const token = "isct_PROTOCOLpage_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq3hhDd5";
const run = "01890a5d-ac96-774b-bcce-b302099a8057";
/** The binding of a link. */
const subject = Buffer.from("iscep.world.session.4fT2kQ9xLm0Z");
const clientNonce = counted(0).toString("base64url");
const serverNonce = counted(32).toString("base64url");

function counted(from: number): Buffer {
  return Buffer.from(Array.from({ length: 32 }, (_, index) => from + index));
}

/** As many bytes of output as a packet has that is not yet long. */
const longestShortBytes = longPacketSize - 1 - 2 - dataHeaderBytes - 32;

function contentOf(packet: Buffer): Buffer {
  return packet.subarray(6, -32);
}

function messages(...texts: readonly string[]): Buffer {
  return hashedMessages(packetHashes.sha256, ...texts);
}

function hashedMessages(hash: PacketHash, ...texts: readonly string[]): Buffer {
  const outbox = new Outbox(
    { flushBytes: Number.POSITIVE_INFINITY, maxPacketBytes: defaultLimits.maxPacketBytes },
    hash,
  );
  for (const text of texts) outbox.add(text);
  return outbox.takePacket() ?? Buffer.alloc(0);
}

export function makeVersion2Vectors(): Version2Vectors {
  const limits = defaultLimits;
  const secret = secretOf(token);
  const key = clientKey(secret);
  const keys = { clientKey: key, storedKey: storedKeyOf(key) };
  const clientHello = encodeClientHello({ versions: [2], nonce: clientNonce, agent: "peer/1" });
  const serverHello = new Version2ServerSession(limits).helloAnswer(serverNonce, "iscep/0.0.0", "token");
  const proofFor = (name: string, binding: Buffer): Version2Proof => {
    const message = authenticationMessage(contentOf(clientHello), contentOf(serverHello), binding);
    return {
      name,
      channel_binding: binding.toString("hex"),
      authentication_message: message.toString("hex"),
      client_proof: clientProof(keys, message).toString("base64url"),
      server_proof: serverProof(serverKey(secret), message).toString("base64url"),
    };
  };
  const cleartext = proofFor("cleartext", Buffer.alloc(0));
  const reference = tokenReference(keys.storedKey);
  const completed = { status: "completed", value: new JsonText('"hello Ada"') } as const;
  const notFound = { status: "rejected", error: new IscepError("command_not_found") } as const;
  const output = Buffer.from("looking for Ada\n");
  const input = Buffer.from("one\ntwo\n");
  const made: readonly (readonly [name: string, from: "client" | "server", packet: Buffer])[] = [
    ["client-hello", "client", clientHello],
    ["server-hello", "server", serverHello],
    [
      "authenticate",
      "client",
      messages(requestText(1, "authenticate", { token: reference, proof: cleartext.client_proof }, limits)),
    ],
    ["authenticated", "server", messages(resultText(1, { owner: "alice", proof: cleartext.server_proof }, limits))],
    ["call", "client", messages(callText(3, "greet", { name: "Ada" }, ',"output":0', limits))],
    ["started", "server", messages(notificationText("started", { call: 3, run }))],
    ["data", "server", encodeDataPacket(3, "stdout", 0, output)],
    ["answer", "server", messages(outcomeText(3, completed, { run, output: output.length }))],
    ["window", "client", messages(notificationText("window", { stream: 0, bytes: output.length }))],
    [
      "two-calls",
      "client",
      messages(callText(4, "add", { a: 1, b: 2 }, "", limits), callText(5, "subtract", undefined, "", limits)),
    ],
    [
      "two-answers",
      "server",
      messages(
        outcomeText(4, { status: "completed", value: new JsonText("3") }, undefined),
        outcomeText(5, notFound, undefined),
      ),
    ],
    ["unknown-method", "client", messages(requestText(6, "sing", {}, limits))],
    [
      "unknown-answer",
      "server",
      messages(errorText(6, new IscepError("command_not_found", 'there is no method "sing"'))),
    ],
    ["call-with-stdin", "client", messages(callText(7, "count", {}, ',"stdin":true', limits))],
    [
      "started-with-stdin",
      "server",
      messages(notificationText("started", { call: 7, run, stdin: 0, stdinWindow: limits.streamWindowBytes })),
    ],
    ["stdin", "client", encodeDataPacket(7, "stdin", 0, input)],
    ["stdin-end", "client", encodeDataPacket(7, "stdin", input.length, Buffer.alloc(0))],
    [
      "call-with-terminal",
      "client",
      messages(
        callText(8, "edit", {}, ',"stdin":true,"terminal":{"rows":24,"columns":80,"term":"xterm"},"output":0', limits),
      ),
    ],
    [
      "started-with-terminal",
      "server",
      messages(
        notificationText("started", {
          call: 8,
          run,
          stdin: 0,
          stdinWindow: limits.streamWindowBytes,
          terminal: true,
        }),
      ),
    ],
    ["resize", "client", messages(notificationText("resize", { call: 8, rows: 50, columns: 132 }))],
    ["stdin-window", "server", messages(notificationText("window", { stream: 7, bytes: input.length }))],
    [
      "call-with-traceparent",
      "client",
      messages(
        callText(9, "look", {}, ',"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"', limits),
      ),
    ],
  ];
  const asking = encodeClientHello({
    versions: [2],
    nonce: clientNonce,
    agent: "peer/1",
    hashes: ["none", "crc32"],
    bindings: ["tls-server-end-point"],
  });
  const choosing = (hash: "none" | "crc32"): Buffer =>
    new Version2ServerSession(limits).helloAnswer(serverNonce, "iscep/0.0.0", "token", {
      hash,
      ...(hash === "none" ? { binding: "tls-server-end-point" } : {}),
    });
  const hashed = (name: "none" | "crc32"): Version2HashVector => {
    const hash = packetHashes[name];
    const parts: readonly (readonly [string, "client" | "server", Buffer])[] = [
      ["client-hello", "client", asking],
      ["server-hello", "server", choosing(name)],
      ["call", "client", hashedMessages(hash, callText(3, "greet", { name: "Ada" }, ',"output":0', limits))],
      ["data", "server", encodeDataPacket(3, "stdout", 0, output, hash)],
      ["answer", "server", hashedMessages(hash, outcomeText(3, completed, { run, output: output.length }))],
    ];
    return { hash: name, packets: parts.map(([part, from, packet]) => describe(part, from, packet)) };
  };
  const keyed = (hash: "hmac-sha256" | "hmac-gmac"): Version2KeyVector => {
    const hello = encodeClientHello({ versions: [2], nonce: clientNonce, agent: "peer/1", hashes: [hash] });
    const chosen = new Version2ServerSession(limits).helloAnswer(serverNonce, "iscep/0.0.0", "token", { hash });
    const message = authenticationMessage(contentOf(hello), contentOf(chosen), subject);
    const own = packetKeys(keys.storedKey, message, hash);
    const [client, server] = [packetMac(own.client), packetMac(own.server)];
    const proof = clientProof(keys, message).toString("base64url");
    const answered = serverProof(serverKey(secret), message).toString("base64url");
    const longOutput =
      hash === "hmac-sha256"
        ? []
        : [longestShortBytes, longestShortBytes + 1].map((length) => Buffer.alloc(length, "x"));
    const sent = longOutput.reduce((sum, { length }) => sum + length, output.length);
    const window = notificationText("window", { stream: 0, bytes: sent });
    const parts: readonly (readonly [string, "client" | "server", Buffer])[] = [
      ["client-hello", "client", hello],
      ["server-hello", "server", chosen],
      ["authenticate", "client", messages(requestText(1, "authenticate", { token: reference, proof }, limits))],
      ["authenticated", "server", hashedMessages(server, resultText(1, { owner: "alice", proof: answered }, limits))],
      ["call", "client", hashedMessages(client, callText(3, "greet", { name: "Ada" }, ',"output":0', limits))],
      ["data", "server", encodeDataPacket(3, "stdout", 0, output, server)],
      ...longOutput.map(
        (bytes, index) =>
          [
            index === 0 ? "longest-short-data" : "long-data",
            "server",
            encodeDataPacket(3, "stdout", output.length + index * longestShortBytes, bytes, server),
          ] as const,
      ),
      ["window", "client", hashedMessages(client, window)],
      ["answer", "server", hashedMessages(server, outcomeText(3, completed, { run, output: sent }))],
    ];
    return {
      channel_binding: subject.toString("hex"),
      client_packets: own.client.hmac.toString("hex"),
      server_packets: own.server.hmac.toString("hex"),
      ...(own.client.gmac === undefined ? {} : { client_long_packets: own.client.gmac.toString("hex") }),
      ...(own.server.gmac === undefined ? {} : { server_long_packets: own.server.gmac.toString("hex") }),
      packets: parts.map(([part, from, packet]) => describe(part, from, packet)),
    };
  };
  return {
    keyed: keyed("hmac-sha256"),
    keyed_gmac: keyed("hmac-gmac"),
    hashes: [hashed("none"), hashed("crc32")],
    token,
    secret,
    client_key: keys.clientKey.toString("hex"),
    stored_key: keys.storedKey.toString("hex"),
    server_key: serverKey(secret).toString("hex"),
    reference,
    proofs: [
      cleartext,
      proofFor("with 32 bytes of a TLS exporter", Buffer.alloc(32, 0x0b)),
      proofFor("with the subject of an instance, over NATS", subject),
    ],
    packets: made.map(([name, from, packet]) => describe(name, from, packet)),
  };
}

function describe(name: string, from: "client" | "server", packet: Buffer): Version2Packet {
  const type = packet.readUInt16BE(4);
  const hex = packet.toString("hex");
  if (type === 9) {
    const content = contentOf(packet);
    const data = {
      stream: content.readUInt32BE(),
      channel: ["stdin", "stdout", "stderr"][content[4] ?? 3] ?? "",
      offset: Number(content.readBigUInt64BE(5)),
      bytes_utf8: content.toString("utf8", 13),
    };
    return { name, from, type, data, hex };
  }
  return { name, from, type, content: JSON.parse(contentOf(packet).toString()) as unknown, hex };
}

export function readVersion2Vectors(): Version2Vectors {
  return JSON.parse(readFileSync("test/vectors/v2.json", "utf8")) as Version2Vectors;
}
