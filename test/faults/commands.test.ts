import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { connect, defineCommand } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { gate, originalTasks } from "../support/commands.js";
import { errorOf, contentOf, rawPacket, Type, type RawPacket } from "../support/raw-packets.js";
import type { RawPeer } from "../support/raw-peer.js";
import { startServer, tokens } from "../support/servers.js";

watchForLeaks();

async function call(peer: RawPeer, command: unknown, args?: unknown): Promise<RawPacket> {
  peer.send(rawPacket(Type.command, { auth_token: tokens.alice, command, args }));
  return peer.answer();
}

async function echo(peer: RawPeer, value: unknown): Promise<unknown> {
  peer.send(rawPacket(Type.echo, { auth_token: tokens.alice, response: { echo: value } }));
  return (contentOf(await peer.answer())["response"] as { echo: unknown }).echo;
}

describe("commands", () => {
  test("missing and extra arguments, args of another type, an argument named self", async () => {
    const peer = await (await startServer()).raw();
    expect(errorOf(await call(peer, "echo_task", {}))).toMatch(/^invalid_arguments: .*message/);
    expect(errorOf(await call(peer, "echo_task"))).toMatch(/^invalid_arguments: .*message/);
    expect(errorOf(await call(peer, "echo_task", { message: "x", extra: 1 }))).toMatch(/^invalid_arguments: .*extra/);
    expect(errorOf(await call(peer, "echo_task", { message: "x", self: 1 }))).toMatch(/^invalid_arguments: .*self/);
    for (const args of [["x"], "x", 0, false, ""]) {
      expect(errorOf(await call(peer, "echo_task", args)), JSON.stringify(args)).toMatch(/^invalid_arguments: ./);
    }
    expect(contentOf(await call(peer, "echo_task", { message: "x" }))).toEqual({ response: "echo x" });
  });

  test("arguments of the wrong type", async () => {
    const peer = await (await startServer()).raw();
    expect(errorOf(await call(peer, "add", { a: "1", b: "2" }))).toMatch(/^invalid_arguments: .*\ba\b.*\bb\b/);
    expect(errorOf(await call(peer, "typed", { message: 1, numb: "x" }))).toMatch(
      /^invalid_arguments: .*message.*numb/,
    );
    expect(errorOf(await call(peer, "add", { a: 1.5, b: 2 }))).toMatch(/^invalid_arguments: /);
    expect(contentOf(await call(peer, "add", { a: 1, b: 2 }))).toEqual({ response: 3 });
  });

  test("command is [], 5, empty, absent or unknown", async () => {
    const peer = await (await startServer()).raw();
    for (const command of [
      5,
      "",
      undefined,
      null,
      true,
      "no_such",
      "__proto__",
      "constructor",
      "toString",
      "echo_task ",
    ]) {
      expect(errorOf(await call(peer, command, { message: "x" })), String(command)).toBe("command not found");
    }
    for (const command of [[], ["echo_task"], { name: "echo_task" }]) {
      expect(errorOf(await call(peer, command, { message: "x" }))).toMatch(/^invalid_arguments: ./);
    }
    expect(await echo(peer, "open")).toBe("open");
  });

  test("a command that raises, also an exit", async () => {
    const server = await startServer();
    const peer = await server.raw();
    for (const [command, args] of [
      ["fail", { message: "the secret reason" }],
      ["sysexit", {}],
    ] as const) {
      const text = errorOf(await call(peer, command, args));
      expect(text).toMatch(/^failed: .*error\.log/);
      expect(text).not.toContain("secret reason");
      const runId = /run ([0-9a-f-]{36})/.exec(text)?.[1];
      expect(runId).toBeDefined();
    }
    expect(await echo(peer, "open")).toBe("open");
    await peer.destroy();
    expect(await server.logged()).toContain("the secret reason");
  });

  test("a result of nothing, of bytes, of NaN", async () => {
    const peer = await (await startServer()).raw();
    expect(await call(peer, "retnone")).toEqual({ type: Type.response, body: "{}" });
    expect(errorOf(await call(peer, "retbytes"))).toMatch(/^failed: the command ran, .* could not be sent.*Buffer/);
    expect(errorOf(await call(peer, "retnan"))).toMatch(/^failed: the command ran, .* could not be sent.*NaN/);
    expect(await echo(peer, "open")).toBe("open");
  });

  test("a command that takes a string or nothing, in the discovery", async () => {
    const optional = defineCommand({
      name: "optional",
      description: "A string or nothing",
      args: z.object({ text: z.union([z.string(), z.null()]), other: z.string().nullable().optional() }),
      run: ({ text }) => text,
    });
    const server = await startServer({ commands: [...originalTasks, optional] });
    const peer = await server.raw();
    peer.send(rawPacket(Type.discover, { auth_token: tokens.alice }));
    const discovered = contentOf(await peer.answer())["response"] as Record<string, Record<string, string>>;
    expect(Object.keys(discovered)).toHaveLength(originalTasks.length + 1);
    expect(discovered["echo_task"]).toEqual({ message: "str" });
    expect(Object.keys(discovered["optional"] ?? {})).toEqual(["text", "other"]);
    for (const type of Object.values(discovered["optional"] ?? {})) expect(type).toMatch(/^\w+$/);
  });

  test("a command that outlives its client's timeout", async () => {
    const slow = gate();
    const server = await startServer({ commands: [...originalTasks, slow.command] });
    const client = await server.client({ protocol: 1 });
    const late = client.call("gate", { tag: "late" }, { timeoutMs: 50 });
    await expect(late).rejects.toMatchObject({ code: "timeout" });
    // The next calls go over a new connection: the late answer belongs to no call.
    const next = client.call("gate", { tag: "next" });
    const last = client.echo("last");
    await slow.started(2);
    slow.open();
    expect(await next).toBe("next");
    expect(await last).toBe("last");
    expect(slow.state).toMatchObject({ started: 2, ended: 2, aborted: 0 });
  });

  test("a slow command, then an echo on the same connection", async () => {
    const slow = gate();
    const server = await startServer({ commands: [slow.command] });
    const peer = await server.raw();
    peer.send(
      rawPacket(Type.command, { auth_token: tokens.alice, command: "gate", args: { tag: "first" } }),
      rawPacket(Type.echo, { auth_token: tokens.alice, response: { echo: "second" } }),
    );
    await slow.started(1);
    // In order on one connection, as version 1 has no ids; but another connection is not held up.
    expect(await echo(await server.raw(), "other")).toBe("other");
    expect(peer.packets).toEqual([]);
    slow.open();
    expect(contentOf(await peer.answer())).toEqual({ response: "first" });
    expect(contentOf(await peer.answer())).toEqual({ response: { echo: "second" } });
  });

  test("a half-close of the client while its command runs", async () => {
    for (const tls of [false, true]) {
      const slow = gate();
      const server = await startServer({ commands: [slow.command], tls });
      const peer = await server.raw();
      peer.send(rawPacket(Type.command, { auth_token: tokens.alice, command: "gate", args: { tag: "answered" } }));
      peer.socket.end();
      await slow.started(1);
      slow.open();
      expect((await peer.rest()).map(contentOf)).toEqual([{ response: "answered" }]);
      await peer.closed;
    }
  });

  test("kill -9 of the client in the middle of a command", async () => {
    const slow = gate();
    const server = await startServer({ commands: [slow.command] });
    const program = new URL("programs/caller.mjs", import.meta.url).pathname;
    const child = spawn(process.execPath, [program, server.url, "gate", "{}"], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ISCEP_TOKEN: tokens.alice },
    });
    later(() => child.kill("SIGKILL"));
    await slow.started(1);
    child.kill("SIGKILL");
    await once(child, "exit");
    const client = await server.client();
    expect(await client.echo("served")).toBe("served");
    // The run of a version 1 caller that is gone goes on to its end, and then its connection is given back.
    slow.open();
    while (server.server.connections > 1) await new Promise((resolve) => setImmediate(resolve));
    expect(slow.state).toMatchObject({ ended: 1, aborted: 0 });
    await client.close();
    const logged = await server.logged();
    expect(logged).toContain('"status":"completed"');
  });

  test("3 clients that ask for 50 MB and never read", async () => {
    const server = await startServer({ limits: { writeStallTimeoutMs: 300, maxPendingWriteBytes: 256 * 1024 } });
    const before = process.memoryUsage().rss;
    const peers = await Promise.all([server.raw(), server.raw(), server.raw()]);
    const ask = rawPacket(Type.command, { auth_token: tokens.alice, command: "big", args: { n: 60_000 } });
    const asks = Buffer.concat(Array.from({ length: 850 }, () => ask));
    for (const peer of peers) {
      peer.socket.pause();
      peer.send(asks);
    }
    const honest = await connect(server.url, { token: tokens.alice });
    expect(await honest.echo("served")).toBe("served");
    while (server.server.connections > 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await honest.echo("still served")).toBe("still served");
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    await honest.close();
    expect(await server.logged()).toContain("the peer read nothing for 300 ms");
  });
});
