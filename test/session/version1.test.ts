import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IscepError } from "#iscep/errors";
import { defaultLimits } from "#iscep/limits/limits";
import { encodeRequest, Version1ClientSession, type Version1Answer } from "#iscep/session/version1-client";
import {
  errorAnswer,
  unauthorizedAnswer,
  Version1ServerSession,
  type Version1Event,
} from "#iscep/session/version1-server";
import { listPage } from "#iscep/session/list-page";
import { encodePacket } from "#iscep/wire/version1";
import { PacketType } from "#iscep/wire/packet";
import { anyCharacter } from "../support/any-character.js";
import { someSplits } from "../support/splits.js";
import { vectors } from "../support/vectors.js";
import { rounds } from "../support/rounds.js";

function eventsOf(chunks: readonly Buffer[]): Version1Event[] {
  const session = new Version1ServerSession(defaultLimits, 65_535);
  const events: Version1Event[] = [];
  for (const chunk of chunks) {
    session.receive(chunk);
    for (let event = session.next(); event !== undefined; event = session.next()) {
      events.push(event);
      if (event.kind === "gone" || (event.kind === "malformed" && event.fatal)) return events;
    }
  }
  return events;
}

function answersOf(request: Parameters<Version1ClientSession["sent"]>[0], ...chunks: Buffer[]): Version1Answer[] {
  const session = new Version1ClientSession(defaultLimits);
  session.sent(request);
  const answers: Version1Answer[] = [];
  for (const chunk of chunks) {
    session.receive(chunk);
    for (let answer = session.next(); answer !== undefined; answer = session.next()) answers.push(answer);
  }
  return answers;
}

describe("the server's side of version 1", () => {
  it.each(vectors.exchanges)("reads the exchange $id alike however it is cut", ({ client_to_server }) => {
    const bytes = Buffer.from(client_to_server.hex, "hex");
    const whole = eventsOf([bytes]);
    expect(whole).toHaveLength(client_to_server.frames.length);
    for (const { name, chunks } of someSplits(bytes, 60)) expect(eventsOf(chunks), name).toEqual(whole);
  });

  it("answers an echo without the token", () => {
    const session = new Version1ServerSession(defaultLimits, 65_535);
    const packet = session.echoAnswer({ auth_token: "secret", command: "c", response: { echo: "hello" } });
    expect(packet.toString()).toContain('{"command":"c","response":{"echo":"hello"}}');
  });

  it("answers nothing and null without a response, and keeps 0, false and the empty string", () => {
    const session = new Version1ServerSession(defaultLimits, 65_535);
    const content = (value: unknown): string => session.responseAnswer(value).subarray(6, -32).toString();
    expect([undefined, null, 0, false, ""].map(content)).toEqual([
      "{}",
      "{}",
      '{"response":0}',
      '{"response":false}',
      '{"response":""}',
    ]);
  });

  it("turns an answer that the peer could not read into an error that says how large it was", () => {
    const session = new Version1ServerSession(defaultLimits, 16_384);
    const overhead = session.responseAnswer("").length;
    expect(session.responseAnswer("x".repeat(16_384 - overhead))).toHaveLength(16_384);
    const answer = session.responseAnswer("x".repeat(16_385 - overhead));
    expect(answersOf(PacketType.SEND_CMD, answer)).toEqual([
      {
        kind: "error",
        error: expect.objectContaining({
          code: "too_large",
          message: expect.stringContaining("16385 bytes") as unknown,
        }) as unknown,
      },
    ]);
  });

  it("takes small packets before a token was seen, and large ones after", () => {
    const session = new Version1ServerSession(defaultLimits, 65_535);
    const packet = encodePacket(PacketType.ECHO, JSON.stringify({ response: { echo: "x".repeat(65_536) } }));
    session.authenticated();
    session.receive(packet);
    expect(session.next()).toMatchObject({ kind: "packet" });
    const stranger = new Version1ServerSession(defaultLimits, 65_535);
    stranger.receive(packet);
    expect(stranger.next()).toMatchObject({ kind: "malformed", fatal: true, error: { code: "too_large" } });
  });

  it("goes on after a packet that is wrong but whole", () => {
    const bad = encodePacket(PacketType.ECHO, "[]");
    const good = encodePacket(PacketType.ECHO, "{}");
    expect(eventsOf([Buffer.concat([bad, encodePacket(7, "{}"), good])])).toMatchObject([
      { kind: "malformed", fatal: false },
      { kind: "malformed", fatal: false },
      { kind: "packet", type: 0 },
    ]);
  });
});

describe("the client's side of version 1", () => {
  it("reads every answer of the original, or refuses it with a reason", () => {
    for (const { id, client_to_server, server_to_client } of vectors.exchanges) {
      const [asked] = client_to_server.frames;
      if (server_to_client === null || asked === undefined || ![0, 1, 2].includes(asked.type)) continue;
      if (server_to_client.frames.length !== 1) continue;
      const [frame] = server_to_client.frames;
      try {
        const [answer] = answersOf(asked.type as 0 | 1 | 2, Buffer.from(server_to_client.hex, "hex"));
        if (frame?.type_name === "ERROR" || frame?.type_name === "UNAUTHORIZED") expect(answer?.kind, id).toBe("error");
        else expect(answer, id).toEqual({ kind: "response", value: frame?.content?.["response"] ?? null });
      } catch (error) {
        // Integers beyond 2^53 and NaN: refused rather than changed.
        expect(["cmd-arg-bigint", "cmd-ret-bigint", "cmd-ret-nan"], String(error)).toContain(id);
        expect(error).toMatchObject({ code: "protocol" });
      }
    }
  });

  it("gives an error its code again", () => {
    const read = (packet: Buffer): unknown => answersOf(PacketType.SEND_CMD, packet)[0];
    expect(read(errorAnswer("busy", "come back later"))).toMatchObject({
      kind: "error",
      error: { code: "busy", message: "come back later" },
    });
    expect(read(errorAnswer("command_not_found", "whatever"))).toMatchObject({ error: { code: "command_not_found" } });
    expect(read(unauthorizedAnswer())).toMatchObject({ error: { code: "unauthorized" } });
    expect(read(encodePacket(PacketType.ERROR, "{}"))).toMatchObject({ error: { code: "failed" } });
    expect(read(encodePacket(PacketType.ERROR, '{"error":"boom: 3"}'))).toMatchObject({
      error: { code: "failed", message: "boom: 3" },
    });
    expect(read(encodePacket(PacketType.ERROR, '{"error":{"a":1}}'))).toMatchObject({ error: { code: "failed" } });
  });

  it("reads a value as deep, and with as many keys, as a server may send", () => {
    const { maxJsonDepth, maxJsonKeys } = defaultLimits;
    let deep: unknown = 1;
    for (let depth = 0; depth < maxJsonDepth; depth++) deep = [deep];
    const wide = Object.fromEntries(Array.from({ length: maxJsonKeys }, (_, key) => [`key${key}`, 1]));
    const session = new Version1ServerSession(defaultLimits, 4 * 1024 * 1024);
    for (const value of [deep, wide]) {
      const [answer] = answersOf(PacketType.SEND_CMD, session.responseAnswer(value));
      expect(answer).toEqual({ kind: "response", value });
    }
  });

  it("takes no answer of another kind for its own", () => {
    expect(() => answersOf(PacketType.ECHO, encodePacket(PacketType.CMD_RESPONSE, "{}"))).toThrow(
      expect.objectContaining({ code: "protocol" }),
    );
    const twice = encodePacket(PacketType.ECHO, "{}");
    expect(() => answersOf(PacketType.ECHO, Buffer.concat([twice, twice]))).toThrow(
      expect.objectContaining({ code: "protocol" }),
    );
  });

  it("refuses a request that is too large before it is sent", () => {
    const args = { message: "x".repeat(20_000) };
    expect(() => encodeRequest(PacketType.SEND_CMD, { command: "c", args }, defaultLimits, 16_384)).toThrow(
      expect.objectContaining({ code: "too_large" }),
    );
  });

  it("reads hostile bytes or refuses them with our error, never anything else", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1, 2),
        fc.nat({ max: 9 }),
        fc.string({ unit: anyCharacter }),
        (asked, type, text) => {
          try {
            answersOf(asked, encodePacket(type, text));
          } catch (error) {
            expect(error).toBeInstanceOf(IscepError);
          }
        },
      ),
      { numRuns: rounds(500, 2_000, 20_000) },
    );
  });
});

describe("both sides wired back to back", () => {
  it("carry any JSON value there and back", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.nat({ max: 50 }), (value, cut) => {
        const client = new Version1ClientSession(defaultLimits);
        const server = new Version1ServerSession(defaultLimits, 65_535);
        const packet = encodeRequest(PacketType.ECHO, { response: { echo: value } }, defaultLimits, 65_535);
        client.sent(PacketType.ECHO);
        server.receive(packet.subarray(0, cut));
        server.receive(packet.subarray(cut));
        const event = server.next();
        if (event?.kind !== "packet") throw new Error("the server read no packet");
        client.receive(server.echoAnswer(event.content));
        expect(client.next()).toEqual({
          kind: "response",
          value: { echo: JSON.parse(JSON.stringify(value)) as unknown },
        });
      }),
    );
  });
});

describe("a page of the list of commands", () => {
  const commands = Array.from({ length: 50 }, (_, index) => ({
    name: `c${String(index).padStart(2, "0")}`,
    pad: "x".repeat(100),
  }));

  it("fits, and the pages together are the whole list in order", () => {
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const behind = commands.filter(({ name }) => after === undefined || name > after);
      const page = listPage(behind, { bytes: 1_000, keys: 1_000 });
      expect(JSON.stringify(page.commands).length).toBeLessThanOrEqual(1_001);
      expect(page.commands.length).toBeGreaterThan(0);
      seen.push(...page.commands.map(({ name }) => name));
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual(commands.map(({ name }) => name));
  });

  it("holds at least one, however large that is", () => {
    expect(listPage(commands, { bytes: 1, keys: 1_000 })).toEqual({ commands: [commands[0]], next: "c00" });
    expect(listPage(commands, { bytes: 1_000, keys: 0 })).toEqual({ commands: [commands[0]], next: "c00" });
    expect(listPage([], { bytes: 1, keys: 1 })).toEqual({ commands: [] });
  });

  it("has no more keys than its reader takes", () => {
    const rich = commands.map(({ name }) => ({ name, args: { a: [{ b: 1, c: { d: 2 } }] } }));
    expect(listPage(rich, { bytes: 1_000_000, keys: 20 })).toMatchObject({ commands: { length: 3 }, next: "c02" });
  });

  it("asks for no more descriptions than it shows, and one", () => {
    let asked = 0;
    const counted = function* () {
      for (const command of commands) {
        asked++;
        yield command;
      }
    };
    expect(listPage(counted(), { bytes: 1_000, keys: 10 }).commands).toHaveLength(5);
    expect(asked).toBe(6);
  });
});
