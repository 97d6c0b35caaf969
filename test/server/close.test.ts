import { describe, expect, test } from "vitest";
import { connect, defineCommand, Server } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { gate, originalTasks } from "../support/commands.js";
import { errorOf, contentOf, rawPacket, Type } from "../support/raw-packets.js";
import { inTime } from "../support/in-time.js";
import { startServer, tokens } from "../support/servers.js";
import { until } from "../support/until.js";

watchForLeaks();

const callGate = rawPacket(Type.command, { auth_token: tokens.alice, command: "gate", args: { tag: "answered" } });

describe("closing a server", () => {
  test("lets what is under way end within the grace, and answers it", async () => {
    for (const tls of [false, true]) {
      const slow = gate();
      const server = await startServer({ commands: [slow.command], tls });
      const peer = await server.raw();
      peer.send(callGate, callGate);
      await slow.started(1);
      const closed = server.server.close({ graceMs: 60_000 });
      await expect(connect(server.url, { token: tokens.alice })).rejects.toMatchObject({ code: "connect_failed" });
      slow.open();
      // The second was not begun, and is not.
      expect((await peer.rest()).map(contentOf)).toEqual([{ response: "answered" }]);
      peer.socket.end();
      await closed;
      expect(slow.state).toMatchObject({ started: 1, ended: 1, aborted: 0 });
    }
  });

  test("cancels what is left after the grace, and tells its caller", async () => {
    const slow = gate();
    const server = await startServer({ commands: [slow.command] });
    const peer = await server.raw();
    peer.send(callGate);
    await slow.started(1);
    await server.server.close({ graceMs: 30 });
    expect((await peer.rest()).map(errorOf)).toEqual(["cancelled: the server was closed"]);
    expect(slow.state).toMatchObject({ started: 1, ended: 0, aborted: 1 });
    expect(await server.logged()).toContain('"status":"cancelled"');
  });

  test("waits for a function that ignores its signal no longer than it must", async () => {
    const settled = await inTime(4_000, async (from) => {
      let hasBegun = false;
      const deaf = defineCommand({
        name: "deaf",
        run: () => {
          hasBegun = true;
          return new Promise<void>(() => {});
        },
      });
      const server = await startServer({ commands: [deaf], limits: { killGraceMs: 50, pipeGraceMs: 10 } });
      const client = await server.client();
      const settled = Promise.allSettled([client.call("deaf", {})]);
      await until(() => hasBegun);
      from();
      await server.server.close({ graceMs: 20 });
      return settled;
    });
    expect(settled).toMatchObject([{ status: "rejected", reason: { code: "cancelled" } }]);
  });

  test("cuts a reader that does not take its last answers", async () => {
    const ask = rawPacket(Type.command, { auth_token: tokens.alice, command: "big", args: { n: 60_000 } });
    const connections = await inTime(4_000, async (from) => {
      const server = await startServer({ limits: { lingerTimeoutMs: 50 } });
      const peer = await server.raw();
      peer.socket.pause();
      peer.send(Buffer.concat(Array.from({ length: 400 }, () => ask)));
      const client = await server.client();
      await client.ping();
      await client.close();
      from();
      await server.server.close();
      return server.server.connections;
    });
    expect(connections).toBe(0);
  });

  test("is the same twice, at once and later, and by await using", async () => {
    const server = await startServer();
    await Promise.all([server.server.close(), server.server.close({ graceMs: 1 })]);
    await server.server.close();
    await expect(server.server.listen()).rejects.toMatchObject({ code: "usage" });
    {
      await using other = new Server({ commands: originalTasks, port: 0, tls: false });
      await other.listen();
    }
    await new Server().close();
  });

  test("while it starts leaves nothing open", async () => {
    const server = new Server({ commands: originalTasks, port: 0, tls: false });
    const listening = server.listen();
    await server.close();
    const { url } = await listening;
    await expect(connect(url)).rejects.toMatchObject({ code: "connect_failed" });
  });
});

describe("starting a server", () => {
  test("on a port that is in use says so, and leaves nothing open", async () => {
    const first = await startServer();
    const second = new Server({ port: first.port ?? 0, tls: false });
    await expect(second.listen()).rejects.toMatchObject({
      code: "listen_failed",
      message: expect.stringContaining("in use"),
    });
    await second.close();
    expect(await (await first.client()).echo("first")).toBe("first");
  });

  test("beyond this machine needs TLS and tokens, or a word that says otherwise", async () => {
    expect(() => new Server({ host: "0.0.0.0", tls: false, tokens: "tokens.json" })).toThrow(/allowCleartext/);
    expect(() => new Server({ host: "0.0.0.0" })).toThrow(/tokens/);
    expect(() => new Server({ host: "192.0.2.1", tls: false, tokens: false })).toThrow(/allowCleartext/);
    const open = new Server({
      host: "0.0.0.0",
      port: 0,
      tls: false,
      tokens: false,
      allowCleartext: true,
      commands: originalTasks,
    });
    later(() => open.close());
    const { url } = await open.listen();
    const client = await connect(url);
    later(() => client.close());
    expect(await client.call("noargs")).toBe("ok");
  });

  test("with options that contradict each other is refused", () => {
    expect(() => new Server({ unix: "/tmp/x.sock", port: 1 })).toThrow(/unix/);
    expect(() => new Server({ unix: "/tmp/x.sock", tls: true })).toThrow(/TLS/);
    expect(() => new Server({ port: 70_000 })).toThrow(/port/);
    expect(() => new Server({ limits: { maxRuns: -1 } })).toThrow(/maxRuns/);
    expect(() => new Server({ commands: [...originalTasks, ...originalTasks] })).toThrow(/echo_task/);
  });
});
