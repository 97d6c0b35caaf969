/** Every exchange that was recorded from the original, against our server, over a plain socket and over TLS. */
import { describe, expect, test } from "vitest";
import { shared } from "../../support/cleanup.js";
import { watchForLeaks } from "../../support/leaks.js";
import { rawPacket, Type, type RawPacket } from "../../support/raw-packets.js";
import { startServer, type TestServer } from "../../support/servers.js";
import { vectors, type VectorExchange, type VectorFrame } from "../../support/vectors.js";

watchForLeaks();

/** Ours answers something else here, on purpose. The code that its ERROR begins with, or what is compared instead. */
const differs: Readonly<Record<string, { why: string; error?: string; response?: (original: unknown) => unknown }>> = {
  discover: {
    why: "the original names Python's `object`; ours has no such type, and says `_empty` where anything is taken",
    response: (original) => ({ ...(original as object), any: { value: "_empty" } }),
  },
  "cmd-arg-float": {
    why: "JavaScript writes -0.0 as 0, as it writes 1.0 as 1",
    response: (original) => JSON.parse(JSON.stringify(original)),
  },
  "cmd-arg-bigint": { why: "an integer beyond 2^53 is refused rather than changed", error: "protocol" },
  "cmd-ret-bigint": { why: "the argument is beyond 2^53 and refused rather than changed", error: "protocol" },
  "cmd-ret-nan": { why: "NaN is no JSON, and a peer that reads strict JSON would fail", error: "failed" },
  "cmd-wrong-arg-type": { why: "arguments are validated: a text is no whole number", error: "invalid_arguments" },
  "raw-json-nan": { why: "NaN is no JSON, neither to read", error: "protocol" },
};

const goodToken = vectors.server.tokens["alice"];
const probe = rawPacket(Type.echo, { auth_token: goodToken, response: { echo: "probe" } });

const servers = shared(async () => ({
  plain: await startServer({ tokens: vectors.server.tokens }),
  plainOpen: await startServer({ tokens: false }),
  tls: await startServer({ tls: true, tokens: vectors.server.tokens }),
  tlsOpen: await startServer({ tls: true, tokens: false }),
}));

function serverFor(exchange: VectorExchange, tls: boolean): TestServer {
  const open = exchange.id.startsWith("open-");
  return servers()[tls ? (open ? "tlsOpen" : "tls") : open ? "plainOpen" : "plain"];
}

/** What came back for the bytes, and whether the connection was still good for a probe after it. */
async function exchangeWith(
  server: TestServer,
  exchange: VectorExchange,
  chunks: readonly Buffer[],
): Promise<{ packets: RawPacket[]; open: boolean }> {
  const peer = await server.raw();
  await peer.sendApart(chunks);
  const expected = exchange.server_to_client?.frames.length ?? 0;
  await peer.until(expected);
  if (!exchange.server_closes_connection) peer.send(probe);
  // Half-closed: all that we sent is still answered, and then the server closes. So nothing has to be waited for in vain.
  peer.socket.end();
  const packets = await peer.rest();
  await peer.closed;
  const last = packets.at(-1);
  const open = last !== undefined && last.body === '{"response":{"echo":"probe"}}';
  return { packets: open ? packets.slice(0, -1) : packets, open };
}

function expectLike(id: string, packet: RawPacket | undefined, frame: VectorFrame): void {
  const exception = differs[id];
  const content = JSON.parse(packet?.body ?? "null") as Record<string, unknown>;
  if (exception?.error !== undefined && !isAfter(frame)) {
    expect(packet?.type, id).toBe(Type.error);
    expect(content, id).toEqual({ error: expect.stringMatching(new RegExp(`^${exception.error}: .`)) });
    return;
  }
  expect(packet?.type, id).toBe(frame.type);
  // The original sends the token back inside the echo; ours leaves it out.
  const { auth_token: _token, ...original } = frame.content ?? {};
  if (frame.type === Type.error) {
    const text = original["error"];
    // Where the original gives no reason ours does; where it gives one, ours is the same, behind our code for it.
    const pattern = typeof text === "string" ? new RegExp(`^(?:[a-z_]+: )?${text}$`) : /^[a-z_]+: ./;
    expect(content, id).toEqual({ error: expect.stringMatching(pattern) });
  } else if (exception?.response !== undefined) {
    expect(content, id).toEqual({ response: exception.response(original["response"]) });
  } else {
    expect(content, id).toEqual(original);
  }
}

/** Raw exchanges end with a good echo, to show that the connection goes on: that one must always be answered. */
function isAfter(frame: VectorFrame): boolean {
  return JSON.stringify(frame.content?.["response"]) === '{"echo":"after"}';
}

function expectAnswers(exchange: VectorExchange, answered: { packets: RawPacket[]; open: boolean }): void {
  const frames = exchange.server_to_client?.frames ?? [];
  expect(answered.packets.map(({ type, body }) => `${type} ${body.slice(0, 80)}`)).toHaveLength(frames.length);
  for (const [index, frame] of frames.entries()) expectLike(exchange.id, answered.packets[index], frame);
  expect(answered.open, "open afterwards").toBe(!exchange.server_closes_connection);
}

function bytesOf(exchange: VectorExchange): Buffer {
  return Buffer.from(exchange.client_to_server.hex, "hex");
}

describe.each([
  { door: "plain", tls: false },
  { door: "TLS", tls: true },
])("over $door", ({ tls }) => {
  test.each(vectors.exchanges)("$id: $description", async (exchange) => {
    const server = serverFor(exchange, tls);
    expectAnswers(exchange, await exchangeWith(server, exchange, [bytesOf(exchange)]));
  });
});

/** Numbers that look random and are the same each time: a failure can be repeated. */
function* numbers(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

function randomCuts(bytes: Buffer, seed: number): Buffer[] {
  const random = numbers(seed);
  const chunks: Buffer[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const length = 1 + Math.floor(random.next().value * 40);
    chunks.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  return chunks;
}

const sample = vectors.exchanges.filter(
  ({ client_to_server }, index) => index % 5 === 0 && client_to_server.hex.length < 800,
);

describe("in pieces", () => {
  test("there is a sample of every kind", () => {
    expect(vectors.exchanges).toHaveLength(85);
    expect(sample.length).toBeGreaterThan(14);
    expect(Object.keys(differs).filter((id) => !vectors.exchanges.some((exchange) => exchange.id === id))).toEqual([]);
  });

  test.each(sample)("$id byte by byte", async (exchange) => {
    const server = serverFor(exchange, false);
    const bytes = bytesOf(exchange);
    expectAnswers(
      exchange,
      await exchangeWith(
        server,
        exchange,
        Array.from(bytes, (byte) => Buffer.of(byte)),
      ),
    );
  });

  test.each(sample)("$id at random cuts, plain and TLS", async (exchange) => {
    for (const tls of [false, true]) {
      const server = serverFor(exchange, tls);
      for (const seed of [1, 2, 3]) {
        expectAnswers(exchange, await exchangeWith(server, exchange, randomCuts(bytesOf(exchange), seed)));
      }
    }
  });
});
