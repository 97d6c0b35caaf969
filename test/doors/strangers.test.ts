/** What a peer that has shown no good token can make the server do: little, and then the connection ends. */
import { describe, expect, test } from "vitest";
import { watchForLeaks } from "../support/leaks.js";
import { gate, originalTasks } from "../support/commands.js";
import { rawPacket, Type } from "../support/raw-packets.js";
import { messages, notification, rawSession, request } from "../support/raw-session.js";
import { startServer, tokens } from "../support/servers.js";

watchForLeaks();

const goodEcho = rawPacket(Type.echo, { auth_token: tokens.alice, response: { echo: 1 } });

describe("a stranger in version 1", () => {
  const unreadable: Record<string, Buffer> = {
    "of an unknown type": rawPacket(99, {}),
    "with a wrong checksum": rawPacket(Type.echo, {}, { checksum: "0".repeat(32) }),
    "without JSON": rawPacket(Type.echo, "{"),
    "with an unknown key": rawPacket(Type.echo, { unknown: 1 }),
    "without a token": rawPacket(Type.echo, {}),
  };

  test.each(Object.entries(unreadable))("may send five packets %s, and is heard after them", async (_name, packet) => {
    const server = await startServer();
    const peer = await server.raw();
    peer.send(...Array.from({ length: 5 }, () => packet), goodEcho);
    expect((await peer.until(6)).at(-1)?.type).toBe(Type.echo);
    await peer.destroy();
  });

  test.each(Object.entries(unreadable))("is closed at the sixth packet %s", async (_name, packet) => {
    const server = await startServer();
    const peer = await server.raw();
    peer.send(Buffer.concat(Array.from({ length: 1_000 }, () => packet)), goodEcho);
    expect(await peer.rest()).toHaveLength(6);
  });

  test("of any kind, one after the other, they count together", async () => {
    const server = await startServer();
    const peer = await server.raw();
    peer.send(Buffer.concat([...Object.values(unreadable), ...Object.values(unreadable)]));
    expect(await peer.rest()).toHaveLength(6);
  });

  test("who has shown a token may err for as long as they like", async () => {
    const server = await startServer();
    const peer = await server.raw();
    peer.send(goodEcho, ...Array.from({ length: 50 }, () => rawPacket(99, {})), goodEcho);
    expect((await peer.until(52)).at(-1)?.type).toBe(Type.echo);
    await peer.destroy();
  });
});

describe("a stranger in version 2", () => {
  test("who sends requests by the thousand gets one refusal and the end", async () => {
    const slow = gate();
    const server = await startServer({ commands: [...originalTasks, slow.command] });
    const session = await rawSession(server);
    const calls = Array.from({ length: 700 }, (_, index) => request(index + 1, "call", { command: "gate" }));
    for (let packet = 0; packet < 20; packet++) session.send(messages(...calls));
    expect(await session.goaway()).toMatchObject({ code: "unauthorized" });
    await session.closed;
    expect(session.messages).toHaveLength(2);
    expect(slow.state.started).toBe(0);
  });

  test.each([
    ["a wrong parameter", request(1, "authenticate", { token: 7 }), "invalid_arguments"],
    ["a grant", notification("window", { stream: 9, bytes: 1 }), "protocol"],
    ["a leave", notification("leave", { stream: 9 }), "protocol"],
  ])("is sent away at %s", async (_name, message, code) => {
    const server = await startServer();
    const session = await rawSession(server);
    session.send(messages(...Array.from({ length: 100 }, () => message)));
    expect(await session.goaway()).toMatchObject({ code });
    await session.closed;
    expect(session.messages.length).toBeLessThanOrEqual(2);
  });

  test("has a budget of bytes, whatever they say", async () => {
    const server = await startServer({ limits: { maxUnauthenticatedBytes: 20_000 } });
    const session = await rawSession(server);
    // Each alone may be sent: notifications of another version are passed over.
    for (let count = 0; count < 10; count++) session.send(messages(notification("news", { text: "x".repeat(4_000) })));
    expect(await session.goaway()).toMatchObject({ code: "too_large" });
  });
});

test("who pumps on after the end is cut, and is not read for ever", async () => {
  const server = await startServer({ limits: { maxPacketBytes: 100_000, lingerTimeoutMs: 600_000 } });
  const peer = await server.raw();
  const noise = Buffer.alloc(64 * 1024, 0xff);
  while (!peer.socket.destroyed) {
    if (!peer.socket.write(noise))
      await Promise.race([new Promise((go) => peer.socket.once("drain", go)), peer.closed]);
  }
  await expect.poll(() => server.server.connections).toBe(0);
});
