import { once } from "node:events";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, IscepError, Server, type ServerOptions } from "iscep";
import { addToken } from "#iscep/identity/tokens-writer";
import { cleanUp, later } from "../support/cleanup.js";
import { testCertificate } from "../support/servers.js";
import { readVersion2Vectors } from "../support/version2-vectors.js";
import { AnswerError, type Followed, Peer, proofs, secretOf } from "../support/conformance/peer.mjs";
import { temporaryFolder } from "../support/temporary-folder.js";

afterEach(cleanUp);

const add = defineCommand({
  name: "add",
  description: "Adds two numbers",
  args: z.object({ a: z.number(), b: z.number() }),
  run: ({ a, b }) => a + b,
});

/** Byte `n` of the output is `n % 251`, so that a byte lost, doubled or out of order shows. */
function pattern(from: number, length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => (from + index) % 251));
}

const write = defineCommand({
  name: "write",
  description: "Writes so many bytes, on both channels by turns, and tells how far it is",
  args: z.object({ bytes: z.int(), piece: z.int() }),
  run: async ({ bytes, piece }, context) => {
    // Lets the answer of the start go out first, as for any command that waits for something.
    await new Promise((resolve) => setImmediate(resolve));
    for (let at = 0, turn = 0; at < bytes; at += piece, turn++) {
      const length = Math.min(piece, bytes - at);
      await context.output.write(turn % 2 === 0 ? "stdout" : "stderr", pattern(at, length));
      context.progress((at + length) / bytes, `${at + length} bytes`);
    }
    return bytes;
  },
});

/** Says that it is there, and waits to be stopped. */
const wait = defineCommand({
  name: "wait",
  description: "Waits until it is cancelled",
  args: z.object({}),
  run: async (_args, { output, signal }) => {
    await output.write("stdout", "here\n");
    if (!signal.aborted) await once(signal, "abort");
    throw signal.reason;
  },
});

const refuse = defineCommand({
  name: "refuse",
  description: "Fails with a code of its own, or without",
  args: z.object({ coded: z.boolean() }),
  run: ({ coded }): string => {
    throw coded ? new IscepError("too_large", "the world is too large") : new Error("not for callers");
  },
});

/** Gives back what it reads. */
const copy = defineCommand({
  name: "copy",
  description: "Copies its standard input to its output",
  run: async (_args, { stdin, output }) => {
    let bytes = 0;
    for await (const chunk of stdin) {
      bytes += chunk.length;
      await output.write("stdout", chunk);
    }
    return bytes;
  },
});

interface Surroundings {
  readonly server: Server;
  readonly token: string | undefined;
  peer(token?: string): Promise<Peer>;
}

async function start(kind: { tls: boolean; withToken: boolean }, options: ServerOptions = {}): Promise<Surroundings> {
  const tokensFile = path.join(temporaryFolder(), "tokens.json");
  const token = kind.withToken ? (await addToken(tokensFile, { owner: "alice" })).token : undefined;
  const certificate = kind.tls ? await testCertificate() : undefined;
  const server = new Server({
    commands: [add, write, wait, refuse, copy],
    port: 0,
    tls: certificate ?? false,
    ...(kind.withToken ? { tokens: tokensFile } : {}),
    ...options,
  });
  later(() => server.close({ graceMs: 0 }));
  const { port } = await server.listen();
  return {
    server,
    token,
    async peer(given = token) {
      const secure = certificate && { ca: certificate.cert, checkServerIdentity: () => undefined };
      const peer = await Peer.connect({ port, tls: secure ?? false, ...(given === undefined ? {} : { token: given }) });
      later(() => peer.end());
      return peer;
    },
  };
}

async function collect(followed: Followed, offset = 0) {
  const pieces: Buffer[] = [];
  const seen = new Set<string>();
  for await (const { bytes, channel } of followed.output(offset)) {
    pieces.push(bytes);
    seen.add(channel);
  }
  return { bytes: Buffer.concat(pieces), channels: [...seen].toSorted() };
}

async function refusal(answer: Promise<unknown>): Promise<{ number: number; data: Record<string, unknown> }> {
  const thrown: unknown = await answer.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof AnswerError)) throw new Error(`this is no error answer: ${String(thrown)}`);
  return { number: thrown.number, data: thrown.data };
}

test("the peer makes the keys and proofs of the vectors", () => {
  const { token, secret, reference, packets, proofs: expected } = readVersion2Vectors();
  expect(secretOf(token)).toBe(secret);
  expect(secretOf(`${token.slice(0, -1)}x`)).toBe(`${token.slice(0, -1)}x`);
  const contents = ["client-hello", "server-hello"].map((name) => {
    const packet = Buffer.from(packets.find((each) => each.name === name)?.hex ?? "", "hex");
    return packet.subarray(6, -32);
  });
  const [clientHello = Buffer.alloc(0), serverHello = Buffer.alloc(0)] = contents;
  for (const { channel_binding, client_proof, server_proof } of expected) {
    const made = proofs(token, clientHello, serverHello, Buffer.from(channel_binding, "hex"));
    expect(made.reference).toBe(reference);
    expect(made.clientProof.toString("base64url")).toBe(client_proof);
    expect(made.serverProof.toString("base64url")).toBe(server_proof);
  }
});

describe.each([
  { tls: false, withToken: false },
  { tls: false, withToken: true },
  { tls: true, withToken: true },
])("a peer written from PROTOCOL.md (TLS: $tls, token: $withToken)", (kind) => {
  test("greets, authenticates, calls, lists and pings", async () => {
    const peer = await (await start(kind)).peer();
    expect(peer.hello.authentication).toBe(kind.withToken ? "token" : "none");
    expect(peer.owner).toBe(kind.withToken ? "alice" : undefined);
    expect(await peer.request("call", { command: "add", args: { a: 1, b: 2 } })).toEqual({ value: 3 });
    const { commands } = await peer.request("list", {});
    expect(commands).toMatchObject(["add", "copy", "refuse", "wait", "write"].map((name) => ({ name })));
    expect(await peer.request("ping", {})).toEqual({});
  });

  test("sends many calls in one packet, and gets one answer to each", async () => {
    const peer = await (await start(kind)).peer();
    const sums = Array.from({ length: 200 }, (_, a) => ["call", { command: "add", args: { a, b: 1 } }] as const);
    const answers = await peer.all(sums);
    expect(answers).toEqual(sums.map((_, a) => ({ status: "fulfilled", value: { value: a + 1 } })));
  });

  test("reads more output than both windows hold, whole and in order, with progress", async () => {
    const limits = { streamWindowBytes: 4_096, connectionWindowBytes: 6_000, maxDataBytes: 1_000 };
    const peer = await (await start(kind, { limits })).peer();
    const total = 50_000;
    const runs = [0, 1, 2].map(() =>
      peer.follow("call", { command: "write", args: { bytes: total, piece: 777 }, output: 0 }),
    );
    for (const output of await Promise.all(runs.map((followed) => collect(followed)))) {
      expect(output.bytes.equals(pattern(0, total))).toBe(true);
      expect(output.channels).toEqual(["stderr", "stdout"]);
    }
    for (const { answer, started, progress } of runs) {
      expect(await answer).toEqual({ value: total, run: await started, output: total });
      expect(progress.at(-1)).toMatchObject({ fraction: 1, message: `${total} bytes` });
    }
  });

  test("attaches to a run of another connection, during it and after its end", async () => {
    const { peer: connect } = await start(kind);
    const [first, second] = [await connect(), await connect()];
    const call = first.follow("call", { command: "write", args: { bytes: 90_000, piece: 1_000 }, output: 0 });
    const run = await call.started;
    const attached = second.follow("attach", { run, offset: 0 });
    const [one, two] = await Promise.all([collect(call), collect(attached)]);
    expect([one.bytes.length, two.bytes.length]).toEqual([90_000, 90_000]);
    expect(one.bytes.equals(two.bytes)).toBe(true);
    const late = second.follow("attach", { run, offset: 60_000 });
    expect((await collect(late, 60_000)).bytes.equals(pattern(60_000, 30_000))).toBe(true);
    expect(await late.answer).toEqual(await call.answer);
    expect(await second.request("attach", { run })).toEqual({ value: 90_000, run });
    expect(await refusal(second.request("attach", { run, offset: 90_001 }))).toMatchObject({
      number: -32602,
      data: { code: "invalid_arguments", status: "rejected" },
    });
    const { runs } = await second.request("runs", { run });
    expect(runs).toEqual([
      expect.objectContaining({ run, command: "write", status: "completed", outputBytes: 90_000 }),
    ]);
  });

  test("sends standard input through more windows than one, beside other calls", async () => {
    const limits = { streamWindowBytes: 4_096, connectionWindowBytes: 6_000, maxDataBytes: 1_000 };
    const peer = await (await start(kind, { limits })).peer();
    const sent = [20_000, 1, 0, 33_333].map((length) => pattern(0, length));
    const copies = sent.map((bytes) => {
      const call = peer.follow("call", { command: "copy", args: {}, output: 0, stdin: true });
      void call.sendInput(bytes);
      return call;
    });
    for (const [index, output] of (await Promise.all(copies.map((call) => collect(call)))).entries()) {
      expect(output.bytes.equals(sent[index] ?? Buffer.alloc(0))).toBe(true);
    }
    expect(await peer.request("call", { command: "copy", args: {} })).toMatchObject({ value: 0 });
  });

  test("goes on with standard input over another connection", async () => {
    const { peer: connect } = await start(kind);
    const sent = pattern(0, 50_000);
    const first = await connect();
    const call = first.follow("call", { command: "copy", args: {}, stdin: true });
    const run = await call.started;
    await call.sendInput(sent.subarray(0, 20_000), { end: false });
    await first.request("ping", {});
    await first.end();
    const again = (await connect()).follow("attach", { run, offset: 0, stdin: true });
    await again.sendInput(sent);
    expect((await collect(again)).bytes.equals(sent)).toBe(true);
    expect(await again.answer).toMatchObject({ value: 50_000 });
  });

  test("cancels by call and by run", async () => {
    const peer = await (await start(kind)).peer();
    for (const by of ["call", "run"]) {
      const call = peer.follow("call", { command: "wait", args: {}, output: 0 });
      const run = await call.started;
      expect(await peer.request("cancel", by === "call" ? { call: call.id } : { run })).toEqual({});
      expect(await refusal(call.answer)).toMatchObject({
        number: -32003,
        data: { status: "cancelled", run, output: 5 },
      });
      expect((await collect(call)).bytes.toString()).toBe("here\n");
    }
  });

  test("comes back within the grace for its run", async () => {
    const { peer: connect } = await start(kind);
    const first = await connect();
    const run = await first.follow("call", { command: "wait", args: {} }).started;
    await first.end();
    const second = await connect();
    const again = second.follow("attach", { run, offset: 0 });
    await again.started;
    await second.request("cancel", { run });
    expect(await refusal(again.answer)).toMatchObject({ data: { status: "cancelled" } });
  });

  test("joins a run by its key", async () => {
    const peer = await (await start(kind)).peer();
    const params = { command: "add", args: { a: 1, b: 1 }, idempotencyKey: "once" };
    const first = await peer.request("call", params);
    expect(first).toEqual({ value: 2, run: expect.any(String) as string });
    expect(await peer.request("call", { ...params, args: { b: 1, a: 1 } })).toEqual(first);
    const other = await refusal(peer.request("call", { ...params, args: { a: 5, b: 5 } }));
    expect(other).toMatchObject({ number: -32602, data: { code: "invalid_arguments", status: "rejected" } });
  });

  test("gets the errors that the page names", async () => {
    const peer = await (await start(kind)).peer();
    const rows: [string, object, number, object][] = [
      ["call", { command: "missing" }, -32601, { code: "command_not_found", status: "rejected" }],
      ["call", { command: "add", args: { a: "x" } }, -32602, { code: "invalid_arguments", status: "rejected" }],
      ["call", { command: 1 }, -32602, { code: "invalid_arguments", status: "rejected" }],
      ["call", { command: "refuse", args: { coded: true } }, -32011, { code: "too_large", status: "failed" }],
      ["call", { command: "refuse", args: { coded: false } }, -32000, { code: "failed", status: "failed" }],
      ["call", { command: "wait", args: {}, timeoutMs: 20 }, -32002, { code: "timeout", status: "timeout" }],
      ["attach", { run: "nothing" }, -32018, { code: "run_not_found", status: "rejected" }],
      ["cancel", { call: 999 }, -32018, { code: "run_not_found", status: "rejected" }],
      ["cancel", {}, -32602, { code: "invalid_arguments", status: "rejected" }],
      ["sing", {}, -32601, { code: "command_not_found" }],
    ];
    for (const [method, params, number, data] of rows) {
      const error = await refusal(peer.request(method, params));
      expect(error, `${method} ${JSON.stringify(params)}`).toMatchObject({ number, data });
    }
    expect(await peer.request("call", { command: "add", args: { a: 1, b: 1 }, futureField: {} })).toEqual({ value: 2 });
    peer.notify("future", { any: "thing" });
    expect(await peer.request("ping", {})).toEqual({});
  });

  test.each([
    ["a window beyond its size", (peer: Peer) => peer.notify("window", { stream: 0, bytes: 1 })],
    ["a message that is none", (peer: Peer) => peer.send({ jsonrpc: "1.0", id: 9, method: "ping" })],
    ["an id that is no number", (peer: Peer) => peer.send({ jsonrpc: "2.0", id: "9", method: "ping" })],
    ["params in a list", (peer: Peer) => peer.send({ jsonrpc: "2.0", id: 9, method: "ping", params: [] })],
    ["no message at all", (peer: Peer) => peer.send()],
    ["data for no call", (peer: Peer) => peer.sendData(5, 0, Buffer.from("x"))],
  ])("is told goaway for %s", async (_what, offend) => {
    const peer = await (await start(kind)).peer();
    offend(peer);
    await peer.closed;
    expect(peer.goaway).toMatchObject({ code: "protocol" });
  });

  test("is told goaway when the server closes, and its call is still answered", async () => {
    const { server, peer: connect } = await start(kind);
    const peer = await connect();
    const call = peer.follow("call", { command: "wait", args: {} });
    await call.started;
    await server.close({ graceMs: 0 });
    expect(await refusal(call.answer)).toMatchObject({ data: { status: "cancelled" } });
    await peer.closed;
    expect(peer.goaway).toMatchObject({ code: "busy" });
  });
});

test.each([false, true])("a peer without the right token is unauthorized (TLS: %s)", async (tls) => {
  const { peer: connect, token = "" } = await start({ tls, withToken: true });
  expect(await refusal(connect(`${token}x`))).toMatchObject({ number: -32001, data: { code: "unauthorized" } });
  expect(await refusal(connect("another"))).toMatchObject({ number: -32001, data: { code: "unauthorized" } });
});
