import { describe, expect, test } from "vitest";
import { watchForLeaks } from "../support/leaks.js";
import { errorOf, contentOf, rawPacket, Type, type RawPacket } from "../support/raw-packets.js";
import type { RawPeer } from "../support/raw-peer.js";
import { canary, startServer, tokens } from "../support/servers.js";

watchForLeaks();

const token = JSON.stringify(tokens.alice);

async function answerTo(peer: RawPeer, type: number, content: unknown): Promise<RawPacket> {
  peer.send(rawPacket(type, content));
  return peer.answer();
}

/** The connection goes on, and a good packet is answered next: nothing was answered twice. */
async function expectOpen(peer: RawPeer): Promise<void> {
  const answer = await answerTo(peer, Type.echo, { auth_token: tokens.alice, response: { echo: "open" } });
  expect(contentOf(answer)).toEqual({ response: { echo: "open" } });
}

/** Each is answered with one ERROR that gives the reason. */
async function expectErrors(peer: RawPeer, bodies: readonly (string | Buffer)[], reason: RegExp): Promise<void> {
  for (const body of bodies) {
    expect(errorOf(await answerTo(peer, Type.echo, body)), String(body).slice(0, 60)).toMatch(reason);
    await expectOpen(peer);
  }
}

describe("content", () => {
  test("invalid UTF-8, invalid JSON, trailing data, a BOM, UTF-16", async () => {
    const peer = await (await startServer()).raw();
    const good = `{"auth_token":${token}}`;
    await expectErrors(
      peer,
      [Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), Buffer.from(`{"response":"\xe9"}`, "latin1")],
      /UTF-8$/,
    );
    await expectErrors(
      peer,
      ["{", '{"auth_token":', `${good}x`, `${good}${good}`, `\ufeff${good}`, "{'a':1}", '{"response":"\n"}', "", " "],
      /^protocol: the content is not JSON$/,
    );
    await expectErrors(peer, [Buffer.from(good, "utf16le")], /^protocol: /);
  });

  test("null, [], 5, a string or true as the content", async () => {
    const peer = await (await startServer()).raw();
    await expectErrors(peer, ["null", "[]", "5", '"abc"', "true"], /^protocol: the content is not a JSON object$/);
  });

  test("{} as the content", async () => {
    const peer = await (await startServer()).raw();
    for (const type of [Type.echo, Type.discover, Type.command, Type.close]) {
      expect(await answerTo(peer, type, "{}")).toEqual({ type: Type.unauthorized, body: "{}" });
    }
    await expectOpen(peer);
  });

  test("an unknown key, a __proto__ key, a __class__ key", async () => {
    const peer = await (await startServer()).raw();
    const keys = ["foo", "__proto__", "__class__", "constructor", "auth_token ", "ARGS", ""];
    const bodies = keys.flatMap((key) => [
      `{"auth_token":${token},${JSON.stringify(key)}:{"x":1}}`,
      `{${JSON.stringify(key)}:{"x":1}}`,
    ]);
    await expectErrors(peer, bodies, /^protocol: the content has a key that version 1 does not know$/);
    expect(Object.hasOwn(Object.prototype, "x")).toBe(false);
  });

  test("__proto__ and constructor inside args", async () => {
    const peer = await (await startServer()).raw();
    const value = '{"__proto__":{"x":1},"constructor":2,"toString":3,"hasOwnProperty":4}';
    const sent = `{"auth_token":${token},"command":"any","args":{"value":${value}}}`;
    expect((await answerTo(peer, Type.command, sent)).body).toBe(`{"response":{"value":${value},"py":"dict"}}`);
    const wrong = `{"auth_token":${token},"command":"any","args":{"value":1,"__proto__":{"x":1}}}`;
    expect(errorOf(await answerTo(peer, Type.command, wrong))).toMatch(/^invalid_arguments: /);
    expect(Object.hasOwn(Object.prototype, "x")).toBe(false);
    await expectOpen(peer);
  });

  test("duplicate keys", async () => {
    const peer = await (await startServer()).raw();
    const last = await answerTo(
      peer,
      Type.echo,
      `{"auth_token":"bad","auth_token":${token},"response":1,"response":2}`,
    );
    expect(contentOf(last)).toEqual({ response: 2 });
    const bad = await answerTo(peer, Type.echo, `{"auth_token":${token},"auth_token":"bad","response":1}`);
    expect(bad.type).toBe(Type.unauthorized);
    await expectOpen(peer);
  });

  test("JSON nested 900, 1 000 and 20 000 deep", async () => {
    const peer = await (await startServer()).raw();
    const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
    for (const depth of [900, 1_000, 20_000]) {
      const reason = /^protocol: the content nests deeper than 64$/;
      await expectErrors(
        peer,
        [`{"response":${nested(depth)}}`, `{"auth_token":${token},"response":${nested(depth)}}`],
        reason,
      );
      await expectErrors(peer, ['{"response":' + '{"a":'.repeat(depth) + "1" + "}".repeat(depth) + "}"], reason);
    }
    const deepest = await answerTo(peer, Type.echo, `{"auth_token":${token},"response":${nested(63)}}`);
    expect(deepest.body).toBe(`{"response":${nested(63)}}`);
  });

  test("an integer of 4 300 and of 4 301 digits", async () => {
    const peer = await (await startServer()).raw();
    const bodies = [4_300, 4_301, 17].map((digits) => `{"auth_token":${token},"response":${"9".repeat(digits)}}`);
    await expectErrors(peer, bodies, /^protocol: an integer beyond 2\^53 - 1 cannot be kept exactly/);
  });

  test("NaN, -Infinity and 1e400", async () => {
    const peer = await (await startServer()).raw();
    const bodies = ["NaN", "-Infinity", "Infinity"].map((literal) => `{"auth_token":${token},"response":${literal}}`);
    await expectErrors(peer, bodies, /^protocol: the content is not JSON$/);
    await expectErrors(peer, [`{"auth_token":${token},"response":-1e400}`], /^protocol: a number is too large/);
  });

  test("a lone surrogate", async () => {
    const peer = await (await startServer()).raw();
    const answer = await answerTo(peer, Type.echo, String.raw`{"auth_token":${token},"response":{"echo":"a\ud800b"}}`);
    expect(answer.body).toBe(String.raw`{"response":{"echo":"a\ud800b"}}`);
    const inToken = await answerTo(peer, Type.echo, String.raw`{"auth_token":"a\ud800b"}`);
    expect(inToken.type).toBe(Type.unauthorized);
    await expectOpen(peer);
  });

  test("auth_token is 5, true, an object or a list", async () => {
    const server = await startServer();
    const peer = await server.raw();
    const bodies = ["5", "true", `{"a":${token}}`, `[${token}]`].map((wrong) => `{"auth_token":${wrong}}`);
    await expectErrors(peer, bodies, /^protocol: auth_token is not a string$/);
    await peer.destroy();
    expect(await server.logged()).not.toContain(canary);
  });

  test("packet types 3, 5 and 6 from a client", async () => {
    const peer = await (await startServer()).raw();
    for (const type of [Type.response, Type.unauthorized, Type.error]) {
      expect(errorOf(await answerTo(peer, type, { auth_token: tokens.alice }))).toBe("protocol: unknown packet type");
      expect((await answerTo(peer, type, {})).type).toBe(Type.unauthorized);
    }
    await expectOpen(peer);
  });

  test("packet types 7, 99, 65535 and 0x0100", async () => {
    for (const tls of [false, true]) {
      const peer = await (await startServer({ tls })).raw();
      for (const type of [7, 99, 65_535, 0x0100]) {
        expect(errorOf(await answerTo(peer, type, "{}"))).toBe(`protocol: unknown packet type ${type}`);
      }
      await expectOpen(peer);
    }
  });

  test("CLOSE_CONNECTION without a good token", async () => {
    const peer = await (await startServer()).raw();
    expect((await answerTo(peer, Type.close, {})).type).toBe(Type.unauthorized);
    expect((await answerTo(peer, Type.close, { auth_token: "wrong" })).type).toBe(Type.unauthorized);
    await expectOpen(peer);
    peer.send(rawPacket(Type.close, { auth_token: tokens.alice }));
    expect(await peer.rest()).toEqual([]);
  });

  test("ECHO with a token in it", async () => {
    const peer = await (await startServer()).raw();
    const answer = await answerTo(peer, Type.echo, {
      auth_token: tokens.alice,
      command: "c",
      args: { a: 1 },
      error: "e",
      response: [1],
    });
    expect(contentOf(answer)).toEqual({ command: "c", args: { a: 1 }, error: "e", response: [1] });
    expect(answer.body).not.toContain(canary);
  });
});
