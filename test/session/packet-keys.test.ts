/** Packets with a key (PROTOCOL.md): who stands between can end a session, and nothing else. */
import fc from "fast-check";
import { createHash } from "node:crypto";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { defineCommand, Server } from "iscep";
import { resolveLimits, type Limits } from "#iscep/limits/limits";
import { negotiate } from "#iscep/client/protocol/negotiate";
import { openVersion2 } from "#iscep/client/version2/open";
import type { Version2ProtocolClient } from "#iscep/client/version2/protocol-client";
import { addToken } from "#iscep/identity/tokens-writer";
import type { PacketHashName } from "#iscep/wire/packet-hash";
import { checkChoices, isKeyed } from "#iscep/session/version2-choices";
import { decodeServerHello } from "#iscep/session/version2-hello";
import { Version2ServerSession } from "#iscep/session/version2-server";
import { z } from "zod";
import { later } from "../support/cleanup.js";
import { Peer } from "../support/conformance/peer.mjs";
import { errorOf } from "../support/error-of.js";
import { packetRelay, sessionSubject, type Meddling, type Relay } from "../support/packet-relay.js";
import { SeamDoor } from "../support/seam-door.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const limits = resolveLimits({ reconnectTimeoutMs: 0, reconnectMinDelayMs: 1, connectTimeoutMs: 20_000 });

interface World {
  readonly token: string;
  /** Gives the server a stream. */
  accept(stream: Relay["server"]): void;
  /** The numbers with which `note` was run, in their order. */
  readonly notes: number[];
  client(relay: () => Relay, token: string | undefined, changes?: Partial<Limits>): Version2ProtocolClient;
}

async function world(withTokens = true): Promise<World> {
  const tokens = path.join(temporaryFolder(), "tokens.json");
  const { token } = await addToken(tokens, { owner: "alice" });
  const notes: number[] = [];
  const note = defineCommand({
    name: "note",
    args: z.object({ number: z.number(), text: z.string().optional() }),
    run: async ({ number }, { output }) => {
      notes.push(number);
      await output.write("stdout", `note ${number}\n`);
      // Its packet is long.
      if (number === 1) await output.write("stdout", Buffer.alloc(5_000, "x"));
      return { noted: number };
    },
  });
  const seam = new SeamDoor();
  const server = new Server({
    commands: [note],
    listen: [],
    ...(withTokens ? { tokens } : { tokens: false }),
    doors: [seam],
  });
  later(() => server.close({ graceMs: 0 }));
  await server.listen();
  return {
    token,
    notes,
    accept: (stream) => seam.server.acceptLink(stream, { source: "nats" }),
    client(relayOf, own, changes = {}) {
      const client = openVersion2({
        limits: { ...limits, ...changes },
        token: own,
        timeoutMs: 20_000,
        timeoutIsGiven: false,
        greet: async (signal) => {
          const { client: socket, server: stream } = relayOf();
          seam.server.acceptLink(stream, { source: "nats" });
          return { socket, negotiated: await negotiate(socket, { limits, timeoutMs: 20_000, signal }) };
        },
      });
      later(() => client.close());
      return client;
    },
  };
}

async function outcomesOf(client: Version2ProtocolClient, count: number): Promise<(number | string)[]> {
  const told: (number | string)[] = [];
  for (let number = 0; number < count; number++) {
    const outcome = await client.run("note", { number }, undefined).outcome;
    if (outcome.status !== "completed") {
      told.push(outcome.error.code);
      break;
    }
    told.push((outcome.value as { noted: number }).noted);
  }
  return told;
}

const flipped = (packet: Buffer, at: number): Buffer => {
  const changed = Buffer.from(packet);
  const index = 4 + (at % (changed.length - 4));
  changed[index] = (changed[index] ?? 0) ^ 1;
  return changed;
};

describe("over a bus", () => {
  test.each([
    [["hmac-sha256"], "hmac-sha256"],
    [["hmac-sha256", "hmac-gmac"], "hmac-gmac"],
  ])(
    "a peer that was written from the page alone and offers %j speaks with the server, with %s",
    async (hashes, hash) => {
      const { accept, token, notes } = await world();
      const relay = packetRelay();
      accept(relay.server);
      const stream = relay.client;
      const subject = sessionSubject;
      const peer = await Peer.connect({ stream, subject, port: undefined, tls: false, token, asks: { hashes } });
      expect(peer.hello.hash).toBe(hash);
      const followed = peer.follow("call", {
        command: "note",
        args: { number: 1, text: "y".repeat(5_000) },
        output: 0,
      });
      let bytes = 0;
      for await (const piece of followed.output()) bytes += piece.bytes.length;
      expect(bytes).toBe(5_007);
      expect(await followed.answer).toMatchObject({ value: { noted: 1 } });
      expect(notes).toEqual([1]);
      relay.client.destroy();
    },
  );

  test("HELLO tells of a larger window of a run than over a socket, because each grant is a message of the broker", async () => {
    const { accept, token } = await world();
    const relay = packetRelay();
    accept(relay.server);
    const asks = { hashes: ["hmac-gmac"] };
    const stream = relay.client;
    const subject = sessionSubject;
    const peer = await Peer.connect({ stream, subject, port: undefined, tls: false, token, asks });
    const { natsStreamWindowBytes: streamWindowBytes } = limits;
    expect(peer.hello.limits).toMatchObject({ streamWindowBytes });
    expect(streamWindowBytes).toBeGreaterThan(limits.streamWindowBytes);
    relay.client.destroy();
  });

  test.each(["hmac-gmac", "hmac-sha256"])("a client takes the choice of %s", (hash) => {
    const hello = chosen(hash);
    // There is no key before the proof.
    expect(checkChoices(hello, "nats").name).toBe("sha256");
    expect(isKeyed(hello)).toBe(true);
    for (const carrier of ["tls", "unix", "cleartext"] as const)
      expect(() => checkChoices(hello, carrier)).toThrow(/was not offered/);
  });

  test("calls and output go through, and packets have a key", async () => {
    const { client, token, notes } = await world();
    const relay = packetRelay();
    const own = client(() => relay, token);
    const run = own.run("note", { number: 7 }, undefined);
    let text = "";
    for await (const { bytes } of run.output) text += String(bytes);
    expect(text).toBe("note 7\n");
    expect(await run.value).toEqual({ noted: 7 });
    expect(notes).toEqual([7]);
  });

  test("a server that greets and never proves itself is left in time, and nothing was sent to it", async () => {
    const { client, token, notes } = await world();
    const relay = packetRelay({ toClient: (packet, index) => (index === 0 ? [packet] : []) });
    const own = client(() => relay, token, { connectTimeoutMs: 300 });
    const outcome = await own.run("note", { number: 1 }, undefined).outcome;
    expect(outcome).toMatchObject({ status: "rejected", error: { code: "connect_failed" } });
    expect(String("error" in outcome && outcome.error.message)).toMatch(/did not prove within 300 ms/);
    expect(relay.seen.client).toBe(2);
    expect(notes).toEqual([]);
  });

  test("what is dropped, repeated, changed, inserted or comes in another order ends the session, and is never taken", async () => {
    const kinds = ["drop", "repeat", "change", "swap", "cut short", "replay"] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...kinds),
        fc.constantFrom("toServer", "toClient"),
        fc.integer({ min: 1, max: 8 }),
        fc.nat(),
        async (kind, direction, at, byte) => {
          const { client, token, notes } = await world();
          let held: Buffer | undefined;
          let first: Buffer | undefined;
          let harmed = false;
          const meddling: Meddling = (packet, index) => {
            if (index === 1) first = packet;
            if (held !== undefined) {
              const before = held;
              held = undefined;
              return [packet, before];
            }
            if (index !== at || harmed) return [packet];
            harmed = true;
            if (kind === "drop") return [];
            if (kind === "repeat") return [packet, packet];
            if (kind === "change") return [flipped(packet, byte)];
            if (kind === "cut short") {
              const short = Buffer.from(packet.subarray(0, packet.length - 1));
              short.writeUInt32BE(short.length - 4);
              return [short];
            }
            if (kind === "replay") return [packet, first ?? packet];
            held = packet;
            return [];
          };
          const own = client(() => packetRelay({ [direction]: meddling }), token);
          const told = await Promise.race([
            outcomesOf(own, 6),
            new Promise<(number | string)[]>((resolve) => setTimeout(() => resolve(["nothing"]), 300)),
          ]);
          await own.close();
          // All that was told is true, in its order, and each call was run once at most.
          const numbers = told.filter((each) => typeof each === "number");
          expect(numbers).toEqual([...numbers.keys()]);
          expect(notes).toEqual([...notes.keys()]);
          expect(notes.length).toBeGreaterThanOrEqual(numbers.length);
          expect(told.at(-1)).not.toBe("failed");
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a packet with SHA-256 alone is not taken from anybody, once the caller is proven", async () => {
    const { client, token, notes } = await world();
    const relay = packetRelay();
    const own = client(() => relay, token);
    await own.call("note", { number: 1 }, undefined);
    const text = `[{"jsonrpc":"2.0","id":99,"method":"call","params":{"command":"note","args":{"number":666}}}]`;
    relay.insert("server", sealed(8, text));
    await new Promise((resolve) => relay.client.once("close", resolve));
    expect(notes).toEqual([1]);
  });

  test("an answer without a key is no answer, and before the server is proven nothing is sent", async () => {
    const { client, token, notes } = await world();
    const forged = sealed(
      8,
      `[{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"no","data":{"code":"unauthorized"}}}]`,
    );
    const sent: number[] = [];
    const relay = packetRelay({
      toServer: (packet, index) => {
        sent.push(index);
        if (index === 1) setImmediate(() => relay.insert("client", forged));
        return [packet];
      },
    });
    const own = client(() => relay, token);
    const error = await errorOf(own.call("note", { number: 1 }, undefined));
    expect(error.code).toBe("unauthorized");
    expect(sent).toEqual([0, 1]);
    expect(notes).toEqual([]);
  });

  const goaway = `[{"jsonrpc":"2.0","method":"goaway","params":{"code":"busy","message":"full"}}]`;
  test.each<[string, string, (relay: () => Relay) => readonly Buffer[]]>([
    ["breaks", "connect_failed", (relay) => (relay().server.destroy(), [])],
    ["ends", "connect_failed", (relay) => (relay().client.push(null), [])],
    [
      "is told to go away",
      "connect_failed",
      (relay) => (setImmediate(() => relay().client.push(null)), [sealed(8, goaway)]),
    ],
    ["brings nonsense", "connect_failed", () => [sealed(8, "nonsense")]],
    ["has a forged proof", "not_trusted", () => [sealed(8, `[{"jsonrpc":"2.0","id":1,"result":{"proof":"AAAA"}}]`)]],
    ["has a forged answer", "not_trusted", () => [sealed(8, `[{"jsonrpc":"2.0","id":3,"result":{"value":1}}]`)]],
  ])("a call over a connection that %s before the server is proven never began", async (_, code, end) => {
    const { client, token, notes } = await world();
    const meddled = (): Relay => {
      const relay = packetRelay({ toClient: (packet, index) => (index === 1 ? end(() => relay) : [packet]) });
      return relay;
    };
    const own = client(meddled, token);
    const failed = await new Promise((resolve) => {
      own.attempt("note", { number: 1 }, undefined, {
        completed: resolve,
        failed: (error, neverBegan) => resolve({ code: error.code, neverBegan }),
      });
    });
    expect(failed).toEqual({ code, neverBegan: true });
    expect(await own.run("note", { number: 1 }, undefined).outcome).toMatchObject({
      status: "rejected",
      error: { code },
    });
    expect(notes).toEqual([]);
  });

  test("the server's proof alone is not enough, without a key on its packet", async () => {
    const { client, token, notes } = await world();
    const own = client(
      () =>
        packetRelay({ toClient: (packet, index) => (index === 1 ? [sealed(8, packet.subarray(6, -32))] : [packet]) }),
      token,
    );
    expect((await errorOf(own.call("note", { number: 1 }, undefined))).code).toBe("not_trusted");
    expect(notes).toEqual([]);
  });

  test("who takes the offer away, or the choice, gets no proof", async () => {
    const { client, token, notes } = await world();
    const withoutOffer: Meddling = (packet, index) =>
      index === 0
        ? [
            rehashed(
              packet.toString("latin1").replace('"hashes":["hmac-gmac","hmac-sha256"]', '"hashes":[]'.padEnd(36)),
            ),
          ]
        : [packet];
    const withoutChoice: Meddling = (packet, index) =>
      index === 0
        ? [sealed(7, Buffer.from(String(packet.subarray(6, -32)).replace('"hash":"hmac-gmac"', '"hush":"hmac-gmac"')))]
        : [packet];
    for (const meddle of [{ toServer: withoutOffer }, { toClient: withoutChoice }]) {
      const own = client(() => packetRelay(meddle), token);
      const error = await errorOf(own.call("note", { number: 1 }, undefined));
      expect(error.code).toBe("not_trusted");
      expect(error.message).toMatch(/would have no key/);
    }
    expect(notes).toEqual([]);
  });

  test("a client with a token does not speak to a server that asks for none; one without does", async () => {
    const { client, token } = await world(false);
    const error = await errorOf(client(() => packetRelay(), token).call("note", { number: 1 }, undefined));
    expect(error.code).toBe("not_trusted");
    expect(await client(() => packetRelay(), undefined).call("note", { number: 1 }, undefined)).toEqual({ noted: 1 });
  });

  test.each([
    ["another service", "iscep.other.session.AAAAAAAAAAAA"],
    ["another instance", "iscep.world.session.BBBBBBBBBBBB"],
    ["nothing", ""],
  ])("a proof for one instance does not count at %s, and nothing runs", async (_, to) => {
    const { client, token, notes, accept } = await world();
    expect((await errorOf(client(() => packetRelay({ to }), token).call("note", { number: 1 }, undefined))).code).toBe(
      "unauthorized",
    );
    expect(
      (await errorOf(client(() => packetRelay({ from: to }), token).call("note", { number: 1 }, undefined))).code,
    ).toBe("unauthorized");
    const relay = packetRelay({ to });
    accept(relay.server);
    const asks = { hashes: ["hmac-gmac"] };
    const peer = Peer.connect({
      stream: relay.client,
      subject: sessionSubject,
      port: undefined,
      tls: false,
      token,
      asks,
    });
    await expect(peer).rejects.toMatchObject({ data: { code: "unauthorized" } });
    expect(notes).toEqual([]);
  });

  test("a wrong token is told so, and ends nothing for others", async () => {
    const { client, token } = await world();
    const wrong = `${token.slice(0, -7)}AAAAAAA`;
    expect((await errorOf(client(() => packetRelay(), wrong).call("note", { number: 1 }, undefined))).code).toBe(
      "unauthorized",
    );
    for (let attempt = 0; attempt < 20; attempt++)
      await errorOf(client(() => packetRelay(), wrong).call("note", { number: 1 }, undefined));
    expect(await client(() => packetRelay(), token).call("note", { number: 1 }, undefined)).toEqual({ noted: 1 });
  });
});

function chosen(hash: string) {
  const nonce = Buffer.alloc(32).toString("base64url");
  const answer = new Version2ServerSession(limits).helloAnswer(nonce, "iscep", "token", {
    hash: hash as PacketHashName,
  });
  const view = { type: 7, bytes: answer, start: 6, end: answer.length - 32 };

  return decodeServerHello(view, limits);
}

function sealed(type: number, content: string | Buffer): Buffer {
  const body = Buffer.from(content as string);
  const packet = Buffer.alloc(6 + body.length + 32);
  packet.writeUInt32BE(packet.length - 4);
  packet.writeUInt16BE(type, 4);
  body.copy(packet, 6);
  createHash("sha256")
    .update(packet.subarray(4, -32))
    .digest()
    .copy(packet, packet.length - 32);
  return packet;
}

/** The client's HELLO has the MD5 of its content, in hex. */
function rehashed(packet: string): Buffer {
  const bytes = Buffer.from(packet, "latin1");
  bytes.write(createHash("md5").update(bytes.subarray(6, -32)).digest("hex"), bytes.length - 32, "latin1");
  return bytes;
}
