/** Servers of version 1 that answer what no server may answer: the client says so with a code, keeps no wrong value, and goes on. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { connect, isIscepError, type Client } from "iscep";
import { rounds } from "../support/rounds.js";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { rawPacket, Type } from "../support/raw-packets.js";
import { rawServer, type RawPeer } from "../support/raw-peer.js";
import { vectors } from "../support/vectors.js";
import { until } from "../support/until.js";

watchForLeaks();

/** Answers the first request with those bytes, and any later one, on whatever connection, in good order. */
async function hostile(bytes: Buffer, then: "stay" | "end" = "stay"): Promise<{ client: Client; peers: RawPeer[] }> {
  let harmed = false;
  const server = await rawServer(async (peer) => {
    for (let packet = await peer.next(); packet !== undefined; packet = await peer.next()) {
      if (harmed) {
        peer.send(rawPacket(packet.type === Type.command ? Type.response : packet.type, { response: "good" }));
      } else {
        harmed = true;
        peer.send(bytes);
        if (then === "end") peer.socket.end();
      }
    }
  });
  const client = await connect(server.url, { timeoutMs: 20_000, protocol: 1 });
  later(() => client.close());
  return { client, peers: server.peers };
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    return { value: await work };
  } catch (error) {
    if (isIscepError(error)) return error.code;
    throw error;
  }
}

const answers: Readonly<Record<string, Buffer>> = {
  "text that is no packet": Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
  "a size of 4 GiB": Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 3]),
  "a size over the limit": rawPacket(Type.response, { response: 1 }, { size: 5 * 1024 * 1024 }),
  "a size too small": rawPacket(Type.response, { response: 1 }, { size: 3 }),
  "a size of 0": Buffer.alloc(4),
  "a wrong checksum": rawPacket(Type.response, { response: 1 }, { checksum: "0".repeat(32) }),
  "an unknown type": rawPacket(77, { response: 1 }),
  "a HELLO that nobody asked for": rawPacket(7, { response: 1 }),
  "the answer to another question": rawPacket(Type.discover, { response: {} }),
  "an echo of nothing": rawPacket(Type.echo, {}),
  NaN: rawPacket(Type.response, '{"response": NaN}'),
  "an integer beyond 2^53": rawPacket(Type.response, '{"response": 9007199254740993}'),
  "a list as content": rawPacket(Type.response, "[]"),
  "an unknown key": rawPacket(Type.response, { response: 1, extra: 2 }),
  "nesting without an end": rawPacket(Type.response, `{"response":${"[".repeat(5_000)}${"]".repeat(5_000)}}`),
  "bytes that are not UTF-8": rawPacket(Type.response, Buffer.from([0x7b, 0xff, 0x7d])),
};

describe("a server that answers with", () => {
  test.each(Object.entries(answers))("%s", async (_name, bytes) => {
    const { client, peers } = await hostile(bytes);
    expect(await codeOf(client.call("any", {}))).toMatch(/^(?:protocol|too_large)$/);
    // That connection is of no more use; the next call has another, and a right answer.
    expect(await client.call("any", {})).toBe("good");
    expect(peers).toHaveLength(2);
    await peers[0]?.closed;
  });

  test("half a packet, and the end", async () => {
    const packet = rawPacket(Type.response, { response: "half" });
    for (const cut of [1, 4, 6, 20, packet.length - 1]) {
      const { client } = await hostile(packet.subarray(0, cut), "end");
      expect(await codeOf(client.call("any", {}))).toBe("lost");
      expect(await client.call("any", {})).toBe("good");
    }
  });

  test("half a packet, and nothing more", async () => {
    const { client } = await hostile(rawPacket(Type.response, { response: "half" }).subarray(0, 20));
    expect(await codeOf(client.call("any", {}, { timeoutMs: 40 }))).toBe("timeout");
    expect(await client.call("any", {})).toBe("good");
  });

  test("an error of any shape", async () => {
    const errors: [unknown, string][] = [
      [{}, "failed"],
      [{ error: 5 }, "failed"],
      [{ error: ["x"] }, "failed"],
      [{ error: "busy: later" }, "busy"],
      [{ error: "constructor: x" }, "failed"],
      [{ error: "__proto__: x" }, "failed"],
      [{ error: "x".repeat(60_000) }, "failed"],
      [{ response: "not a value" }, "failed"],
    ];
    for (const [content, code] of errors) {
      const { client, peers } = await hostile(rawPacket(Type.error, content));
      expect(await codeOf(client.call("any", {}))).toBe(code);
      expect(await client.call("any", {})).toBe("good");
      expect(peers).toHaveLength(1);
    }
  });

  test("a value where the discovery should be", async () => {
    for (const response of [5, "x", [], null, { add: 5 }, { add: { a: [] } }]) {
      const server = await rawServer(async (peer) => {
        for (let packet = await peer.next(); packet !== undefined; packet = await peer.next()) {
          const discover = packet.type === Type.discover;
          peer.send(
            discover ? rawPacket(Type.discover, { response }) : rawPacket(Type.error, { error: "command not found" }),
          );
        }
      });
      const client = await connect(server.url, { protocol: 1 });
      later(() => client.close());
      const code = await codeOf(client.list());
      expect(code === "protocol" || typeof code === "object", JSON.stringify(response)).toBe(true);
    }
  });

  test("pages of commands without an end", async () => {
    const server = await rawServer(async (peer) => {
      for (let packet = await peer.next(); packet !== undefined; packet = await peer.next()) {
        peer.send(rawPacket(Type.response, { response: { commands: [], next: "again" } }));
      }
    });
    const client = await connect(server.url, { protocol: 1 });
    later(() => client.close());
    expect(await codeOf(client.list())).toBe("protocol");
    expect(server.peers[0]?.packets).toHaveLength(1);
  });

  test("pages of commands that stand still", async () => {
    const command = { name: "a", description: "", args: {}, timeoutMs: 1 };
    const server = await rawServer(async (peer) => {
      for (let packet = await peer.next(); packet !== undefined; packet = await peer.next()) {
        peer.send(rawPacket(Type.response, { response: { commands: [command], next: "a" } }));
      }
    });
    const client = await connect(server.url, { protocol: 1 });
    later(() => client.close());
    expect(await codeOf(client.list())).toBe("protocol");
    expect(server.peers[0]?.packets).toHaveLength(2);
  });
});

describe("packets that nobody asked for", () => {
  test("behind an answer are never the next call's", async () => {
    const twice = Buffer.concat([
      rawPacket(Type.response, { response: "mine" }),
      rawPacket(Type.response, { response: "nobody's" }),
    ]);
    const { client, peers } = await hostile(twice);
    const calls = [client.call("any", {}), client.call("any", {}), client.call("any", {})];
    expect(await Promise.all(calls)).toEqual(["mine", "good", "good"]);
    expect(peers).toHaveLength(2);
    await peers[0]?.closed;
  });

  test("in part behind an answer are not either", async () => {
    const more = rawPacket(Type.response, { response: "nobody's" });
    for (const cut of [1, 5, more.length - 1]) {
      const { client } = await hostile(
        Buffer.concat([rawPacket(Type.response, { response: "mine" }), more.subarray(0, cut)]),
      );
      expect(await Promise.all([client.call("any", {}), client.call("any", {})])).toEqual(["mine", "good"]);
    }
  });

  test("while nothing is out close the connection", async () => {
    for (const bytes of [
      rawPacket(Type.response, { response: "early" }),
      Buffer.from([0]),
      rawPacket(Type.error, { error: "busy: full" }),
    ]) {
      let first = true;
      const server = await rawServer(async (peer) => {
        if (first) peer.send(bytes);
        first = false;
        for (let packet = await peer.next(); packet !== undefined; packet = await peer.next()) {
          peer.send(rawPacket(Type.response, { response: "good" }));
        }
      });
      const client = await connect(server.url, { protocol: 1 });
      later(() => client.close());
      // The client may be connected before the server has taken the connection.
      await until(() => server.peers.length > 0);
      await server.peers[0]!.closed;
      expect(await client.call("any", {})).toBe("good");
    }
  });
});

describe("whatever comes", () => {
  const good = rawPacket(Type.response, { response: "asked" });

  test("a call ends with its value or a code, within its timeout", async () => {
    const mutated = fc
      .tuple(
        fc.constantFrom(...vectors.exchanges.flatMap(({ server_to_client }) => server_to_client?.hex ?? [])),
        fc.nat(),
        fc.nat(255),
      )
      .map(([hex, at, byte]) => {
        const bytes = Buffer.from(hex, "hex");
        bytes[at % bytes.length] = byte;
        return bytes;
      });
    const garbage = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    let bytes = good;
    const server = await rawServer(async (peer) => {
      for (let packet = await peer.next(); packet !== undefined; packet = await peer.next()) peer.send(bytes);
    });
    const client = await connect(server.url, { protocol: 1 });
    later(() => client.close());
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutated, garbage), async (next) => {
        bytes = next;
        const result = await codeOf(client.call("any", {}, { timeoutMs: 25 }));
        expect(typeof result === "string" || typeof result === "object").toBe(true);
        bytes = good;
        expect(await client.call("any", {})).toBe("asked");
      }),
      { numRuns: rounds(40, 120, 5_000) },
    );
    // Garbage that looks like half a packet is waited for, up to the call's timeout.
  });
});
