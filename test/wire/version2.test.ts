import { createCipheriv, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IscepError } from "#iscep/errors";
import { defaultLimits } from "#iscep/limits/limits";
import { authenticationMessage, clientProof, isClientProof, isServerProof, serverProof } from "#iscep/session/proof";
import { Version2ClientSession } from "#iscep/session/version2-client";
import { decodeServerHello } from "#iscep/session/version2-hello";
import { Version2ServerSession } from "#iscep/session/version2-server";
import { ReceiveWindow, SendWindow } from "#iscep/session/window";
import { clientKey, serverKey, storedKeyOf } from "#iscep/identity/tokens";
import { chooseBinding, chooseHash, isKeyed } from "#iscep/session/version2-choices";
import { PacketReader, PacketType, type PacketView } from "#iscep/wire/packet";
import { packetHashes, packetHashNames } from "#iscep/wire/packet-hash";
import { channels, checkHash, decodeData, encodeDataPacket, encodeDataParts } from "#iscep/wire/version2";
import { everySplit } from "../support/splits.js";
import { makeVersion2Vectors, readVersion2Vectors, type Version2Packet } from "../support/version2-vectors.js";

/** Those that need no key (test/session/packet-keys.test.ts has the other). */
const unkeyed = packetHashNames.filter((name) => !isKeyed({ hash: name }));

const vectors = readVersion2Vectors();
const page = readFileSync("PROTOCOL.md", "utf8");
const examples = [...page.matchAll(/^<!-- version 2: ([\w-]+) -->\n\n((?: {4}.+\n?)+)/gm)].map(
  ([, name = "", dump = ""]) => ({ name, dump }),
);

function bytesFrom(side: "client" | "server", without: readonly string[] = []): Buffer {
  const packets = vectors.packets.filter(({ from, name }) => from === side && !without.includes(name));
  return Buffer.concat(packets.map(({ hex }) => Buffer.from(hex, "hex")));
}

function nonceOf(packets: readonly Version2Packet[]): string {
  const hello = packets.find(({ name }) => name === "server-hello");
  return (hello?.content as { nonce: string } | undefined)?.nonce ?? "";
}

/** Everything that a session says about these chunks, Buffers as text. */
function eventsOf(
  session: { receive(chunk: Buffer): void; next(): unknown },
  chunks: readonly Buffer[],
): readonly unknown[] {
  const events: unknown[] = [];
  for (const chunk of chunks) {
    session.receive(Buffer.from(chunk));
    for (let event = session.next(); event !== undefined; event = session.next()) {
      events.push(JSON.parse(JSON.stringify(event)));
    }
  }
  return events;
}

describe("the vectors of version 2", () => {
  test("are what the code makes", () => {
    expect(JSON.parse(JSON.stringify(makeVersion2Vectors()))).toEqual(vectors);
  });

  test("stand in PROTOCOL.md byte by byte", () => {
    expect(examples.map(({ name }) => name)).toEqual(["client-hello", "server-hello", "call", "data", "answer"]);
    for (const { name, dump } of examples) {
      const hex = dump
        .trimEnd()
        .split("\n")
        .map((line) => line.slice(4, 4 + 16 * 3 - 1).replaceAll(" ", ""));
      expect(hex.join(""), name).toBe(vectors.packets.find((packet) => packet.name === name)?.hex);
    }
  });

  test("of the client are read by the server alike at every cut", () => {
    const bytes = bytesFrom("client");
    const whole = eventsOf(new Version2ServerSession(defaultLimits), [bytes]);
    expect(whole).toHaveLength(13);
    expect(whole).not.toContainEqual(expect.objectContaining({ kind: "violation" }));
    for (const { name, chunks } of everySplit(bytes)) {
      expect(eventsOf(new Version2ServerSession(defaultLimits), chunks), name).toEqual(whole);
    }
  });

  test("of the server are read by the client alike at every cut", () => {
    const bytes = bytesFrom("server", ["server-hello"]);
    const whole = eventsOf(new Version2ClientSession(defaultLimits), [bytes]);
    expect(whole.map((event) => (event as { kind: string }).kind)).toEqual([
      "result",
      "notification",
      "data",
      "result",
      "result",
      "error",
      "error",
      "notification",
      "notification",
      "notification",
    ]);
    for (const { name, chunks } of everySplit(bytes)) {
      expect(eventsOf(new Version2ClientSession(defaultLimits), chunks), name).toEqual(whole);
    }
  });

  test("of the server's HELLO are read as its content", () => {
    const hello = vectors.packets.find(({ name }) => name === "server-hello");
    const reader = new PacketReader(defaultLimits.maxPacketBytes);
    reader.receive(Buffer.from(hello?.hex ?? "", "hex"));
    const packet = reader.next();
    expect(packet?.type).toBe(PacketType.HELLO);
    expect(packet && decodeServerHello(packet, defaultLimits)).toEqual(hello?.content);
  });

  test("with any single bit changed are refused, or wait for more", () => {
    const first = vectors.packets.find(({ name }) => name === "data");
    const sound = Buffer.from(first?.hex ?? "", "hex");
    for (let bit = 0; bit < sound.length * 8; bit++) {
      const bytes = Buffer.from(sound);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const session = new Version2ClientSession(defaultLimits);
      session.receive(bytes);
      let read: unknown;
      try {
        read = session.next();
      } catch (error) {
        expect(error).toBeInstanceOf(IscepError);
      }
      expect(read, `bit ${bit}`).toBeUndefined();
    }
  });
});

test.each([
  ["keyed", { client: 2, server: 3 }],
  ["keyed_gmac", { client: 2, server: 5 }],
] as const)("the vectors %s are made of a key, of the place of a packet, its type and its content", (which, counts) => {
  const keyed = vectors[which];
  const places = { client: 0, server: 0 };
  for (const { name, from, hex } of keyed.packets) {
    if (["client-hello", "server-hello", "authenticate"].includes(name)) continue;
    const packet = Buffer.from(hex, "hex");
    const place = Buffer.alloc(8);
    place.writeBigUInt64BE(BigInt(places[from]++));
    const key = Buffer.from(from === "client" ? keyed.client_packets : keyed.server_packets, "hex");
    const longKey = from === "client" ? keyed.client_long_packets : keyed.server_long_packets;
    const typeAndContent = packet.subarray(4, -32);
    const code = packet.subarray(-32).toString("hex");
    if (longKey === undefined || packet.readUInt32BE() < 4096) {
      expect(code, name).toBe(createHmac("sha256", key).update(place).update(typeAndContent).digest("hex"));
    } else {
      const nonce = Buffer.concat([Buffer.alloc(4), place]);
      const gcm = createCipheriv("aes-256-gcm", Buffer.from(longKey, "hex"), nonce).setAAD(typeAndContent);
      expect(gcm.final(), name).toEqual(Buffer.alloc(0));
      expect(code, name).toBe(gcm.getAuthTag().toString("hex").padEnd(64, "0"));
    }
  }
  expect(places).toEqual(counts);
});

describe.each(vectors.hashes)("the vectors with the hash $hash", ({ hash: name, packets }) => {
  const hash = packetHashes[name];
  const behindHello = packets.filter(({ type }) => type !== PacketType.HELLO);

  test("are read by both sides once HELLO has agreed on it, and not before", () => {
    const hello = packets.find((packet) => packet.name === "client-hello");
    const server = new Version2ServerSession(defaultLimits);
    const call = packets.find((packet) => packet.name === "call");
    expect(eventsOf(server, [Buffer.from(hello?.hex ?? "", "hex")])).toMatchObject([
      { kind: "hello", hello: { hashes: ["none", "crc32"], bindings: ["tls-server-end-point"] } },
    ]);
    const answer = server.helloAnswer(nonceOf(packets), "iscep/0.0.0", "token", {
      hash: name,
      ...(name === "none" ? { binding: "tls-server-end-point" } : {}),
    });
    expect(answer.toString("hex")).toBe(packets.find((packet) => packet.name === "server-hello")?.hex);
    expect(eventsOf(server, [Buffer.from(call?.hex ?? "", "hex")])).toMatchObject([{ kind: "message" }]);
    const bytes = Buffer.concat(
      behindHello.filter(({ from }) => from === "server").map(({ hex }) => Buffer.from(hex, "hex")),
    );
    const whole = eventsOf(new Version2ClientSession(defaultLimits, hash), [bytes]);
    expect(whole).toMatchObject([{ kind: "data" }, { kind: "result" }]);
    for (const { name: split, chunks } of everySplit(bytes)) {
      expect(eventsOf(new Version2ClientSession(defaultLimits, hash), chunks), split).toEqual(whole);
    }
    expect(() => eventsOf(new Version2ClientSession(defaultLimits), [bytes])).toThrow(/SHA-256/);
  });
});

describe.each(unkeyed)("the hash %s", (name) => {
  const hash = packetHashes[name];
  const packetOf = (bytes: Buffer): PacketView => {
    const reader = new PacketReader(defaultLimits.maxPacketBytes);
    reader.receive(bytes);
    const packet = reader.next();
    if (packet === undefined || packet === null) throw new Error("no packet came out");
    return packet;
  };
  const content = fc.uint8Array({ maxLength: 300 });

  test("fits what it was made for, in one part or in three", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 32 - 1 }), fc.maxSafeNat(), content, (stream, offset, bytes) => {
        const whole = encodeDataPacket(stream, "stdout", offset, bytes, hash);
        const parts = Buffer.concat(encodeDataParts(stream, "stdout", offset, bytes, hash));
        expect(parts.equals(whole)).toBe(true);
        expect(() => checkHash(packetOf(whole), hash)).not.toThrow();
      }),
    );
  });

  test("finds every changed bit of itself, and of what it covers", () => {
    fc.assert(
      fc.property(content, fc.nat(), (bytes, anyBit) => {
        const packet = encodeDataPacket(1, "stdout", 0, bytes, hash);
        // Without a hash, only the zero bytes can show a change.
        const from = name === "none" ? packet.length - 32 : 4;
        const bit = from * 8 + (anyBit % ((packet.length - from) * 8));
        packet[bit >> 3] = (packet[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(() => checkHash(packetOf(packet), hash)).toThrow(expect.objectContaining({ code: "protocol" }));
      }),
    );
  });

  test("is not taken for another one", () => {
    fc.assert(
      fc.property(content, (bytes) => {
        const packet = packetOf(encodeDataPacket(1, "stdout", 0, bytes, hash));
        for (const other of unkeyed) expect(packetHashes[other].fits(packet)).toBe(other === name);
      }),
    );
  });
});

describe("a choice of HELLO", () => {
  const carriers = ["tls", "unix", "cleartext", "nats"] as const;
  const names = fc.array(fc.oneof(fc.constantFrom(...packetHashNames), fc.string()), { maxLength: 5 });

  test("of a hash is one that was offered, and never no hash in cleartext", () => {
    fc.assert(
      fc.property(names, fc.constantFrom(...carriers), fc.boolean(), (offered, carrier, hasKeys) => {
        const chosen = chooseHash(offered, carrier, hasKeys);
        if (chosen !== undefined) expect(offered).toContain(chosen);
        if (carrier === "nats") {
          const best = hasKeys ? ["hmac-gmac", "hmac-sha256", "sha256"] : ["sha256"];
          expect(chosen).toBe(best.find((name) => offered.includes(name)));
          return;
        }
        expect(isKeyed({ hash: chosen })).toBe(false);
        if (carrier === "cleartext") expect(chosen).not.toBe("none");
        else if (offered.includes("none")) expect(chosen).toBe("none");
        if (chosen === undefined) for (const name of unkeyed) if (name !== "none") expect(offered).not.toContain(name);
      }),
    );
  });

  test("of a binding is the exporter, unless the client can do only the other one and the server allows it", () => {
    const bindings = fc.array(fc.oneof(fc.constantFrom("tls-exporter", "tls-server-end-point"), fc.string()));
    fc.assert(
      fc.property(bindings, fc.boolean(), (offered, allowed) => {
        const second = allowed && offered.includes("tls-server-end-point") && !offered.includes("tls-exporter");
        expect(chooseBinding(offered, allowed)).toBe(second ? "tls-server-end-point" : "tls-exporter");
      }),
    );
    expect(chooseBinding(undefined, true)).toBeUndefined();
  });
});

test("DATA comes out as it went in, for any stream, offset and bytes", () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 2 ** 32 - 1 }),
      fc.constantFrom(...channels),
      fc.maxSafeNat(),
      fc.uint8Array({ maxLength: 200 }),
      (stream, channel, offset, bytes) => {
        const reader = new PacketReader(defaultLimits.maxPacketBytes);
        reader.receive(encodeDataPacket(stream, channel, offset, bytes));
        const packet = reader.next();
        if (packet === undefined || packet === null) throw new Error("no packet came out");
        checkHash(packet);
        expect(decodeData(packet)).toEqual({ stream, channel, offset, bytes: Buffer.from(bytes) });
      },
    ),
  );
});

describe("windows", () => {
  /** Pieces that the sender wants to send, and after each how much the reader takes out of its buffer. */
  const steps = fc.array(fc.record({ send: fc.nat({ max: 3_000 }), take: fc.nat({ max: 3_000 }) }), {
    minLength: 1,
    maxLength: 200,
  });

  test("never let more be under way than their size, and never come to a halt while the reader reads", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_000 }), steps, (size, moves) => {
        const sender = new SendWindow(size);
        const receiver = new ReceiveWindow(size);
        let buffered = 0;
        const take = (bytes: number): void => {
          buffered -= bytes;
          const grant = receiver.consume(bytes);
          if (grant > 0) sender.grant(grant);
        };
        for (const { send, take: wanted } of moves) {
          const sent = Math.min(send, sender.available);
          sender.spend(sent);
          receiver.receive(sent);
          buffered += sent;
          expect(buffered).toBeLessThanOrEqual(size);
          take(Math.min(wanted, buffered));
        }
        take(buffered);
        expect(sender.available).toBeGreaterThan(0);
        expect(sender.available).toBeLessThanOrEqual(size);
      }),
    );
  });

  test("refuse a grant beyond their size, and one that is no number of bytes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.nat({ max: 10_000 }), fc.nat(), (size, wanted, beyond) => {
        const window = new SendWindow(size);
        const spent = Math.min(wanted, size);
        window.spend(spent);
        for (const grant of [spent + 1 + beyond, 0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
          expect(() => window.grant(grant)).toThrow(expect.objectContaining({ code: "protocol" }));
        }
        expect(window.available).toBe(size - spent);
      }),
    );
  });

  test("refuse data beyond what was granted", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.nat(), (size, beyond) => {
        const window = new ReceiveWindow(size);
        window.receive(size);
        expect(() => window.receive(1 + beyond)).toThrow(expect.objectContaining({ code: "protocol" }));
      }),
    );
  });
});

describe("proofs", () => {
  const part = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
  const keysOf = (secret: string) => {
    const key = clientKey(secret);
    return { clientKey: key, storedKey: storedKeyOf(key) };
  };

  test("hold for the keys and the message that they were made with", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), part, part, part, (secret, client, server, binding) => {
        const keys = keysOf(secret);
        const message = authenticationMessage(client, server, binding);
        expect(isClientProof(keys.storedKey, clientProof(keys, message), message)).toBe(true);
        expect(isServerProof(serverKey(secret), serverProof(serverKey(secret), message), message)).toBe(true);
      }),
    );
  });

  test("hold for no other message, secret or bytes", () => {
    const messageParts = fc.tuple(part, part, part);
    fc.assert(
      fc.property(messageParts, messageParts, fc.uint8Array({ maxLength: 40 }), (made, other, forged) => {
        const keys = keysOf("the secret");
        const message = authenticationMessage(...made);
        const proof = clientProof(keys, message);
        const answer = serverProof(serverKey("the secret"), message);
        if (!made.every((bytes, index) => bytes.equals(other[index] ?? Buffer.alloc(0)))) {
          const otherMessage = authenticationMessage(...other);
          expect(isClientProof(keys.storedKey, proof, otherMessage)).toBe(false);
          expect(isServerProof(serverKey("the secret"), answer, otherMessage)).toBe(false);
        }
        expect(isClientProof(keysOf("another").storedKey, proof, message)).toBe(false);
        expect(isServerProof(serverKey("another"), answer, message)).toBe(false);
        expect(isClientProof(keys.storedKey, Buffer.from(forged), message)).toBe(false);
        // The server's proof is no client's, and the other way round.
        expect(isClientProof(keys.storedKey, answer, message)).toBe(false);
        expect(isServerProof(serverKey("the secret"), proof, message)).toBe(false);
      }),
    );
  });

  test("keep the parts of the message apart", () => {
    const [a, b, none] = [Buffer.from("a"), Buffer.from("b"), Buffer.alloc(0)];
    const joined = [
      authenticationMessage(Buffer.from("ab"), none, none),
      authenticationMessage(a, b, none),
      authenticationMessage(none, Buffer.from("ab"), none),
      authenticationMessage(a, none, b),
    ];
    expect(new Set(joined.map((message) => message.toString("hex"))).size).toBe(joined.length);
  });
});
